import { expect, test } from 'vitest'
import { availability, ofAlerts, ofUp } from './history'

const span = { start: 0, end: 40_000 }
const line = (values: [number, number][], labels = {}) => ({ labels, times: values.map(([t]) => t), values: values.map(([, v]) => v) })

test('up and down and nothing become stretches', () => {
  const bars = ofUp(line([[0, 1], [10, 1], [20, 0], [40, 1]]), span, 10)
  expect(bars.map((b) => [b.word, b.start, b.end])).toEqual([['up', 0, 20_000], ['down', 20_000, 30_000], ['no data', 30_000, 40_000], ['up', 40_000, 50_000]])
  expect(availability(bars)).toBeCloseTo(0.75)
  expect(availability(ofUp(undefined, span, 10))).toBeNull()
})

test('the worst alert counts', () => {
  const bars = ofAlerts([line([[10, 1], [20, 1]], { severity: 'warning' }), line([[20, 1]], { severity: 'critical' })], line([[0, 1], [10, 1], [20, 1], [30, 1]]), span, 10)
  expect(bars.map((b) => b.word)).toEqual(['working', 'degraded', 'failing', 'working', 'no data'])
})
