import { expect, test } from 'vitest'
import { said, toCsv, toJson } from './export'

test('CSV quotes what must be quoted and defuses formulas', () => {
  const rows = [{ a: 'x,y', b: 1 }, { a: 'say "hi"', b: null }, { a: '=1+1', b: -2 }, { a: '-5', b: undefined }]
  expect(toCsv(['a', 'b'], rows)).toBe('a,b\r\n"x,y",1\r\n"say ""hi""",\r\n\'=1+1,-2\r\n-5,\r\n')
})

test('JSON keeps types and the order of columns', () => {
  expect(JSON.parse(toJson(['b', 'a'], [{ a: 'x', b: 1 }, { a: null }]))).toEqual([{ b: 1, a: 'x' }, { b: null, a: null }])
})

test('a file says words and ISO times, not ranks and milliseconds', () => {
  const row = { rank: 0, name: 'critical', at: Date.UTC(2026, 10, 21, 2) }
  expect(said({ value: (r: typeof row) => r.rank, says: (r) => r.name }, row)).toBe('critical')
  expect(said({ value: (r: typeof row) => r.at, time: true }, row)).toBe('2026-11-21T02:00:00.000Z')
  expect([0, NaN, null].map((at) => said({ value: () => at, time: true }, row))).toEqual([null, null, null])
  expect(said({ value: (r: typeof row) => r.at }, row)).toBe(row.at)
})
