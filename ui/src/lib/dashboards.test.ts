import { expect, test } from 'vitest'
import { diff, fill, unitOf } from './dashboards'

test('what is chosen goes in as a regular expression inside quotes', () => {
  const expr = 'rate(x{model=~"$model", host=~"$model_host"}[$window])'
  expect(fill(expr, { model: 'a.b"c', model_host: null }, '60s')).toBe('rate(x{model=~"a\\\\.b\\"c", host=~".*"}[60s])')
  expect(fill('x{a=~"$a"}', { a: '$&' }, '60s')).toBe('x{a=~"\\\\$&"}')
})

test('a diff keeps, takes away and adds', () => {
  expect(diff('a\nb\nc\n', 'a\nx\nc\nd\n').map((l) => l.sign + l.text)).toEqual([' a', '-b', '+x', ' c', '+d'])
  expect(diff('a', 'a')).toEqual([{ sign: ' ', text: 'a' }])
})

test('unknown units are plain numbers', () => expect([unitOf('seconds'), unitOf('parsec'), unitOf(undefined)]).toEqual(['seconds', 'short', 'short']))
