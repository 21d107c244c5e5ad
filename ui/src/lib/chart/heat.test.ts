import { expect, test } from 'vitest'
import { bucketSelector, heat } from './heat'

test.each([
  ['histogram_quantile(0.95, sum by (le) (rate(x:y_bucket{a="b}c"}[5m])))', 'x:y_bucket{a="b}c"}'],
  ['rate(x_bucket[5m])', 'x_bucket'],
  ['up', null],
])('the buckets of %s', (query, expected) => expect(bucketSelector(query)).toBe(expected))

const line = (le: string, values: number[]) => ({ labels: { le }, times: values.map((_, i) => i * 10), values })

test('cumulative buckets become cells', () => {
  const made = heat([line('+Inf', [5, 9]), line('0.1', [1, 2]), line('1', [4, 1])], { start: 0, end: 20_000 }, 10)!
  expect(made.rows.map((r) => r.label)).toEqual(['0.1', '1', '∞'])
  expect(made.cells).toEqual([[1, 2, null], [3, 0, null], [1, 8, null]])
  expect(made.max).toBe(8)
})

test('one line is no heat map', () => expect(heat([line('1', [1])], { start: 0, end: 0 }, 10)).toBeNull())
