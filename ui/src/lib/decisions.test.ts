import { expect, test } from 'vitest'
import { joined, storiesOf } from './decisions'
import type { Decision } from './api/types'

const decided = (at_ms: number, alertname: string, reason: Decision['reason'], detail = ''): Decision => ({ at_ms, fingerprint: alertname, alertname, step: 'send', reason, detail })

test('a story says who was told, and is found by its name', () => {
  const rows = [decided(30, 'Noisy', 'silenced'), decided(20, 'Slow', 'delivered', 'team'), decided(10, 'Slow', 'silenced')]
  expect(storiesOf(rows, '').map((s) => [s.name, s.told, s.kept, s.last])).toEqual([['Noisy', [], 'silenced', 30], ['Slow', ['team'], 'silenced', 20]])
  expect(storiesOf(rows, ' slow').map((s) => s.name)).toEqual(['Slow'])
})

test('what was asked further back joins what is there, each decision once', () => {
  const [a, b, c] = [decided(30, 'A', 'silenced'), decided(20, 'B', 'silenced'), decided(10, 'C', 'silenced')]
  expect(joined([[a, b], [{ ...b }, c], [{ ...c }]])).toEqual([a, b, c])
})
