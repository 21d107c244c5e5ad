import { expect, test } from 'vitest'
import { timeTicks, valueIncrements } from './axes'
import { frame, sheetOf, sparkPath, stats, summary } from './data'

const SPAN = { start: 1_000_000, end: 1_040_000 }

test('series of one name are told apart, so that each is a column of a file', () => {
  const line = (value: number) => ({ labels: { i: '1' }, times: [1000], values: [value] })
  const data = frame([line(1), line(2), line(3)], SPAN, 10, ['a', 'a', 'time'])
  expect(sheetOf(data).columns).toEqual(['time', 'a', 'a (2)', 'time (2)'])
  expect(sheetOf(data).rows[0]).toMatchObject({ a: 1, 'a (2)': 2, 'time (2)': 3 })
})

test('a missing point is a gap, never a zero', () => {
  const data = frame([{ labels: { i: '1' }, times: [1000, 1020, 1040], values: [1, NaN, 3] }], SPAN, 10)
  expect(data.times).toEqual([1000, 1010, 1020, 1030, 1040])
  expect(data.series[0]!.values).toEqual([1, null, null, null, 3])
  expect(data.series[0]!.stats).toEqual({ min: 1, max: 3, avg: 2, last: 3 })
})

test('points outside of the range are left out', () => {
  expect(frame([{ labels: {}, times: [900, 1010, 2000], values: [9, 1, 9] }], SPAN, 10).series[0]!.values).toEqual([null, 1, null, null, null])
})

test('nothing has no statistics', () => expect(stats([null, null])).toEqual({ min: null, max: null, avg: null, last: null }))

test('a chart is told in one sentence', () => {
  const line = (name: string, values: number[]) => ({ labels: { name }, times: [1000, 1010], values })
  expect(summary('Load', frame([line('a', [1, 2])], SPAN, 10), 'short')).toBe('Load: now 2, between 1 and 2, average 1.5.')
  expect(summary('Load', frame([line('a', [1, 2]), line('b', [5, 7])], SPAN, 10), 'short')).toBe('Load: 2 series; highest now b at 7, lowest a at 2.')
  expect(summary('Load', frame([], SPAN, 10), 'short')).toBe('Load: no data in this range.')
})

test('a sparkline lifts the pen at gaps', () => {
  expect(sparkPath([1, 2, null, 2], 30, 10)).toBe('M0.0 5.0h.1L10.0 1.0M30.0 1.0h.1')
  expect(sparkPath([null], 30, 10)).toBe('')
  expect(sparkPath([5, 5], 10, 10, null)).not.toContain('NaN')
})

test('ticks are round times, as many as fit', () => {
  const day = Date.UTC(2026, 10, 21)
  const ticks = timeTicks({ start: day - 3_600_000, end: day + 3_600_000 }, 600, 'utc')
  expect(ticks.length).toBeGreaterThan(2)
  expect(ticks.length).toBeLessThanOrEqual(8)
  expect(ticks.every((t) => t % 1_200_000 === 0 || t % 900_000 === 0 || t % 1_800_000 === 0)).toBe(true)
  expect(timeTicks.text(day, day - 1_800_000, 'utc', 1_800_000)).toBe('11-21 00:00')
  expect(timeTicks.text(day + 1_800_000, day, 'utc', 1_800_000)).toBe('00:30')
})

test('bytes step in powers of two, times in minutes and hours', () => {
  expect(valueIncrements('bytes')).toContain(1024)
  expect(valueIncrements('seconds')).toContain(3600)
  for (const unit of ['bytes', 'seconds', 'short'] as const) {
    const steps = valueIncrements(unit)
    expect([...steps].sort((a, b) => a - b)).toEqual(steps)
  }
})
