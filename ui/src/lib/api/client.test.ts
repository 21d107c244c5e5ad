import { expect, test } from 'vitest'
import { kindOf, search } from './client'
import { lines, parseValue, points } from './prom'
import { rank } from '../shell/rank'

test.each([
  ['1.5', 1.5], ['+Inf', Infinity], ['-Inf', -Infinity], ['NaN', NaN], ['1e3', 1000],
])('the value %s', (text, expected) => expect(parseValue(text)).toBe(expected))

test('statuses have names', () => {
  expect([400, 401, 403, 404, 422, 429, 500, 501, 503].map(kindOf)).toEqual(['query', 'denied', 'denied', 'missing', 'query', 'overload', 'server', 'missing', 'overload'])
})

test('parameters repeat and are left out when absent', () => {
  expect(search({ a: 1, b: undefined, 'match[]': ['x', 'y z'] })).toBe('a=1&match%5B%5D=x&match%5B%5D=y+z')
})

test('every result type becomes rows', () => {
  expect(points({ resultType: 'scalar', result: [1, '2'] })).toEqual([{ labels: {}, value: 2, timeMs: 1000 }])
  expect(points({ resultType: 'vector', result: [{ metric: { a: 'b' }, value: [1, '+Inf'] }] })).toEqual([{ labels: { a: 'b' }, value: Infinity, timeMs: 1000 }])
  expect(points({ resultType: 'matrix', result: [{ metric: {}, values: [[1, '1'], [2, '2']] }] })).toHaveLength(2)
  const histogram = { count: '7', sum: '3' }
  expect(points({ resultType: 'vector', result: [{ metric: {}, histogram: [1, histogram] }] })[0]).toEqual({ labels: {}, value: 7, timeMs: 1000, histogram })
  expect(lines([{ metric: {}, histograms: [[1, histogram]] }])).toEqual([{ labels: {}, times: [1], values: [7] }])
})

test('finding prefers beginnings, then words, then letters in order', () => {
  const names = ['node_cpu_seconds_total', 'cpu_usage', 'process_cpu_seconds_total', 'chat_pick_up'].map((text) => ({ text }))
  expect(rank(names, 'cpu', 9).map((n) => n.text)).toEqual(['cpu_usage', 'node_cpu_seconds_total', 'process_cpu_seconds_total', 'chat_pick_up'])
  expect(rank(names, 'zzz', 9)).toEqual([])
  expect(rank(names, '', 2)).toHaveLength(2)
})
