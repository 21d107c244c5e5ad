import { expect, test } from 'vitest'
import { documentUrl, pictureUrl } from './picture'

test('a picture asks for all queries with their names, the same range and the unit', () => {
  const url = new URL(pictureUrl({ title: 'Disk & net', queries: [{ expr: 'a{b="c"}', name: 'read' }, { expr: 'd' }], span: { start: 1_000_000, end: 4_600_000 }, step: 15, unit: 'bytes/s', threshold: 0 }, 'pdf', 'utc'), 'http://x')
  expect(url.pathname).toBe('/api/v1/render')
  expect(url.searchParams.getAll('query')).toEqual(['a{b="c"}', 'd'])
  expect(url.searchParams.getAll('name')).toEqual(['read', ''])
  expect(Object.fromEntries(url.searchParams)).toMatchObject({ title: 'Disk & net', start: '1000', end: '4600', step: '15', unit: 'bytes', threshold: '0', offset_s: '0', format: 'pdf' })
})

test('a document asks for the range and for what is chosen', () => {
  const url = new URL(documentUrl('my board', { start: 1_000_000, end: 4_600_000 }, 'utc', { 'var-model': ['a', 'b&c'], 'var-host': [] }), 'http://x')
  expect(url.pathname).toBe('/api/v1/dashboards/my%20board/pdf')
  expect(url.searchParams.getAll('var-model')).toEqual(['a', 'b&c'])
  expect(url.searchParams.has('var-host')).toBe(false)
  expect(Object.fromEntries(url.searchParams)).toMatchObject({ start: '1000', end: '4600', offset_s: '0' })
})
