import { expect, test } from 'vitest'
import { diff, differing } from './diff'

test('a diff keeps, takes away and adds', () => {
  expect(diff('a\nb\nc\n', 'a\nx\nc\nd\n').map((l) => l.sign + l.text)).toEqual([' a', '-b', '+x', ' c', '+d'])
  expect(diff('a', 'a')).toEqual([{ sign: ' ', text: 'a' }])
  expect(diff('', 'a')).toEqual([{ sign: '+', text: 'a' }])
  expect(differing('a\nb', 'a\nc')).toBe(2)
})
