import { expect, test } from 'vitest'
import { at, within } from './base'

test('addresses stand behind the path of the server', () => {
  expect(at('/api/v1/query', '/pre')).toBe('/pre/api/v1/query')
  expect(at('/alerts', '')).toBe('/alerts')
  expect(at('https://example.org/x', '/pre')).toBe('https://example.org/x')
  expect(at('//example.org/x', '/pre')).toBe('//example.org/x')
})

test('paths of the browser are those of the pages', () => {
  expect(within('/pre', '/pre')).toBe('/')
  expect(within('/pre/', '/pre')).toBe('/')
  expect(within('/pre/alerts/record', '/pre')).toBe('/alerts/record')
  expect(within('/prefix/alerts', '/pre')).toBe('/prefix/alerts')
  expect(within('/alerts', '')).toBe('/alerts')
  expect(within('/', '')).toBe('/')
})
