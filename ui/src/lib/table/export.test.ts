import { expect, test } from 'vitest'
import { toCsv, toJson } from './export'

test('CSV quotes what must be quoted and defuses formulas', () => {
  const rows = [{ a: 'x,y', b: 1 }, { a: 'say "hi"', b: null }, { a: '=1+1', b: -2 }, { a: '-5', b: undefined }]
  expect(toCsv(['a', 'b'], rows)).toBe('a,b\r\n"x,y",1\r\n"say ""hi""",\r\n\'=1+1,-2\r\n-5,\r\n')
})

test('JSON keeps types and the order of columns', () => {
  expect(JSON.parse(toJson(['b', 'a'], [{ a: 'x', b: 1 }, { a: null }]))).toEqual([{ b: 1, a: 'x' }, { b: null, a: null }])
})
