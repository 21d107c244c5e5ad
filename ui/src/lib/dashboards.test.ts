import { expect, test } from 'vitest'
import { choiceOf, fill, toneAt, unitOf } from './dashboards'

test('what is chosen goes in as a regular expression inside quotes', () => {
  const expr = 'rate(x{model=~"$model", host=~"$model_host"}[$window])'
  expect(fill(expr, { model: ['a.b"c'], model_host: null }, '60s')).toBe('rate(x{model=~"a\\\\.b\\"c", host=~".*"}[60s])')
  expect(fill('x{a=~"$a"}', { a: ['$&'] }, '60s')).toBe('x{a=~"\\\\$&"}')
})

test('unknown units are plain numbers', () => expect([unitOf('seconds'), unitOf('parsec'), unitOf(undefined)]).toEqual(['seconds', 'short', 'short']))

test('several choices are one regular expression, each of them escaped', () => {
  const expr = 'sum(rate(x{model=~"$model", host=~"$model_host"}[$window]))'
  expect(fill(expr, { model: ['a.b', 'c|d', 'say "hi"'], model_host: null }, '5m')).toBe('sum(rate(x{model=~"(a\\\\.b|c\\\\|d|say \\"hi\\")", host=~".*"}[5m]))')
  expect(fill('x{m=~"a$model"}', { model: ['$host'], host: null }, '5m')).toBe('x{m=~"a\\\\$host"}')
})

test('what the address says of a variable is kept within what it allows', () => {
  const plain = { name: 'm', label: 'model' }
  expect(choiceOf(plain, ['a', 'b'], undefined)).toEqual(['a', 'b'])
  expect(choiceOf(plain, [], ['a'])).toBe(null)
  expect(choiceOf({ ...plain, several: false }, ['a', 'b'], undefined)).toEqual(['a'])
  expect(choiceOf({ ...plain, all: false }, [], ['x', 'y'])).toEqual(['x'])
})

test('the highest threshold that is reached gives the tone', () => {
  const thresholds = [{ value: 0.9, tone: 'crit' as const }, { value: 0.5, tone: 'warn' as const }]
  expect([0.1, 0.5, 0.95].map((value) => toneAt(thresholds, value))).toEqual(['', 'warn', 'crit'])
})
