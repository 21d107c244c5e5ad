import { expect, test } from 'vitest'
import type { LedgerEntry } from './api/types'
import { deliveries, groupOf, isAbout } from './deliveries'

const line = (delivery: string, event: LedgerEntry['event'], at_ms: number, attempt = 1, detail = ''): LedgerEntry => ({
  at_ms, delivery, event, attempt, detail, group_key: '{}:{alertname="Slow"}', receiver: 'team', channel: 'webhook',
})

test('lines become pages, the newest first', () => {
  const rows = deliveries([
    line('b', 'failed', 40, 2, '500'), line('b', 'attempted', 39, 2), line('b', 'failed', 31, 1, '500'), line('b', 'intended', 30, 0, 'firing'),
    line('a', 'delivered', 12, 1, '200'), line('a', 'attempted', 11), line('a', 'intended', 10, 0, 'resolved'),
  ])
  expect(rows.map((r) => [r.id, r.state, r.attempts, r.why])).toEqual([['b', 'retrying', 2, 'firing'], ['a', 'delivered', 1, 'resolved']])
  expect(rows[1]!.steps.map((s) => s.event)).toEqual(['intended', 'attempted', 'delivered'])
})

test('a page whose beginning is cut off is still told', () => {
  expect(deliveries([line('a', 'dead_letter', 12, 3, 'gone')])[0]).toMatchObject({ state: 'dead letter', attempts: 3, why: '', detail: 'gone' })
})

test('the key of a group says what it is about', () => {
  expect(groupOf('{}/{severity="critical"}:{alertname="Slow", model="chat"}')).toBe('alertname="Slow", model="chat"')
  expect(groupOf('odd')).toBe('odd')
})

test.each([
  ['alertname="Slow", model="chat"', true], ['alertname="Slow"', true], ['alertname="Slow", model="embed"', false], ['', false],
])('a page about {%s} concerns the alert: %s', (group, expected) => {
  expect(isAbout(group, { alertname: 'Slow', model: 'chat', severity: 'critical' })).toBe(expected)
})
