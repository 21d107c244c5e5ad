import { expect, test } from 'vitest'
import { exactNumber, formatAgo, formatElapsed, formatNumber, formatSeconds, formatTime, formatUnit, guessUnit } from './format'

test.each([
  [0, '0'], [-0, '0'], [1, '1'], [12.345, '12.3'], [999, '999'], [1000, '1k'], [1_234_567, '1.23M'], [-1500, '−1.5k'], [0.00012, '0.00012'],
  [1e-7, '1.00e−7'], [NaN, 'NaN'], [Infinity, '+Inf'], [-Infinity, '−Inf'], [null, '–'], [undefined, '–'], [2e21, '2.00e+21'],
])('the number %s', (value, expected) => expect(formatNumber(value)).toBe(expected))

test.each([
  [-1234567.891, '-1234567.891'], [NaN, 'NaN'], [Infinity, '+Inf'], [-Infinity, '-Inf'], [1.7e308, '1.7e+308'],
])('%s in full', (value, expected) => expect(exactNumber(value)).toBe(expected))

test.each([
  [0, '0 s'], [2e-9, '2 ns'], [0.0000015, '1.5 µs'], [0.34, '340 ms'], [2.1, '2.1 s'], [200, '3m 20s'], [-90, '−1m 30s'], [7500, '2h 5m'],
])('%s seconds', (value, expected) => expect(formatSeconds(value)).toBe(expected))

test.each([
  [0.05, 'ratio', '5 %'], [93, 'percent', '93 %'], [1536, 'bytes', '1.5 KiB'], [2 ** 40, 'bytes/s', '1 TiB/s'], [12, 'per-second', '12/s'], [1, 'bool', 'yes'],
  [71.23, 'celsius', '71.2 °C'],
  [1, 'ratio', '100 %'], [0.99964, 'ratio', '99.964 %'], [0.9999, 'ratio', '99.99 %'], [0.9995, 'ratio', '99.95 %'], [0.9994, 'ratio', '99.9 %'], [0.99999912, 'ratio', '99.999912 %'],
  [1 - 1e-15, 'ratio', '100 %'], [99.97, 'percent', '99.97 %'], [1.25, 'ratio', '125 %'], [null, 'ratio', '–'],
] as const)('%s as %s', (value, unit, expected) => expect(formatUnit(value, unit)).toBe(expected))

test.each([
  [0, '0s'], [59_400, '59s'], [60_000, '1m'], [3_661_000, '1h 1m'], [90_000_000, '1d 1h'], [-5, '0s'],
])('%s ms elapsed', (ms, expected) => expect(formatElapsed(ms)).toBe(expected))

test('ago and ahead', () => {
  expect(formatAgo(1000, 61_000)).toBe('1m ago')
  expect(formatAgo(61_000, 1000)).toBe('in 1m')
})

test('UTC is UTC', () => expect(formatTime(Date.UTC(2026, 10, 21, 2, 46, 31), 'utc')).toBe('2026-11-21 02:46:31'))

test.each([
  ['node_memory_MemFree_bytes', 'bytes'], ['rate(node_network_receive_bytes_total[5m])', 'bytes/s'], ['rate(x_total{a="b-c"}[5m])', 'per-second'],
  ['histogram_quantile(0.9, rate(x_duration_seconds_bucket[5m]))', 'seconds'], ['cpu_usage', 'ratio'], ['a_bytes / b_bytes', 'short'], ['up', 'short'],
  ['process_start_time_seconds', 'seconds'], ['rate(node_cpu_seconds_total[5m])', 'per-second'],
])('the unit of %s', (query, unit) => expect(guessUnit(query)).toBe(unit))
