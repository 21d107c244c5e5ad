import { describe as group, expect, test } from 'vitest'
import { align, describe, durationText, isLive, isReadable, parseDuration, parseTime, rateWindow, resolve, stamp, stepSeconds, zoomOut } from './range'

const NOW = Date.UTC(2026, 10, 21, 3, 0, 0)

test.each([
  ['5m', 300_000], ['1h30m', 5_400_000], ['250ms', 250], ['1m250ms', 60_250], ['1s500ms', 1500], ['1y1w1d', 32_227_200_000], ['0', 0], ['0s', 0], ['05m', 300_000], ['292y', 9_208_512_000_000],
  ['', null], ['h', null], ['5', null], ['5m x', null], ['1.5h', null], ['30m1h', null], ['1h1h', null], ['-5m', null], ['+5m', null], ['5M', null], [' 5m', null], ['300y', null], ['99999999999999999999s', null],
])('the duration %s', (text, expected) => expect(parseDuration(text)).toBe(expected))

test.each([[4 * 3_600_000, '4h'], [95_400_000, '1d2h30m'], [1499, '1s'], [0, '1s'], [59_999, '1m']])('%s ms as a duration', (ms, text) => {
  expect(durationText(ms)).toBe(text)
  expect(parseDuration(text)).not.toBeNull()
})

test.each([
  ['now', NOW], ['now-1h', NOW - 3_600_000], ['now - 1h', NOW - 3_600_000], ['now+5m', NOW + 300_000], ['1795230000000', 1795230000000],
  ['1795230000', 1795230000000], ['2026-11-21T02:00:00Z', NOW - 3_600_000], ['2026-11-21 02:00:00Z', NOW - 3_600_000], ['yesterday', null], ['now-', null], ['12', null],
])('the time %s', (text, expected) => expect(parseTime(text, NOW, 'utc')).toBe(expected))

test.each([
  ['2026-11-22 02:00', Date.UTC(2026, 10, 22, 2), new Date(2026, 10, 22, 2).getTime()], ['2026-11-22', Date.UTC(2026, 10, 22), new Date(2026, 10, 22).getTime()],
  ['2026-11-22T02:00:05.250', Date.UTC(2026, 10, 22, 2, 0, 5, 250), new Date(2026, 10, 22, 2, 0, 5, 250).getTime()],
  ['2026-11-22 02:00+09:00', Date.UTC(2026, 10, 21, 17), Date.UTC(2026, 10, 21, 17)], ['2026-11-22 02:00Z', Date.UTC(2026, 10, 22, 2), Date.UTC(2026, 10, 22, 2)],
])('%s is read in the zone that the page shows', (text, utc, local) => {
  expect([parseTime(text, NOW, 'utc'), parseTime(text, NOW, 'local')]).toEqual([utc, local])
})

test.each([0, -1, 31_536_000_000, 99_999_999_999, 100_000_000_000, NOW])('the moment %s is read back as it was stored', (ms) => expect(parseTime(stamp(ms), NOW, 'local')).toBe(ms))

group('a range', () => {
  test('that cannot be read is the last hour', () => {
    expect(resolve({ from: 'x', to: 'now' }, NOW, 'utc')).toEqual({ start: NOW - 3_600_000, end: NOW })
    expect(resolve({ from: 'now', to: 'now-1h' }, NOW, 'utc')).toEqual({ start: NOW - 3_600_000, end: NOW })
  })
  test('says whether it can be read', () => {
    const said = (from: string, to: string) => isReadable({ from, to }, NOW, 'utc')
    expect([said('garbage', 'now'), said('now', 'now-1h'), said('now-1h', 'nowhere'), said('now-1h', 'now')]).toEqual([false, false, false, true])
  })
  test('moves with the clock only when it ends now', () => {
    expect(isLive({ from: 'now-1h', to: 'now' })).toBe(true)
    expect(isLive({ from: 'now-1h', to: String(NOW) })).toBe(false)
  })
  test('is told in words', () => {
    const at = (ms: number) => `<${ms}>`
    expect(describe({ from: 'now-1h', to: 'now' }, 'utc', at)).toBe('Last 1 hour')
    expect(describe({ from: 'now-17m', to: 'now' }, 'utc', at)).toBe('Last 17m')
    expect(describe({ from: '1795230000000', to: 'now' }, 'utc', at)).toBe('<1795230000000> – now')
    expect(describe({ from: '1971-01-01T00:00:00.000Z', to: '2026-11-22' }, 'utc', at)).toBe(`<31536000000> – <${Date.UTC(2026, 10, 22)}>`)
  })
  test('zooms out around its middle and not into the future', () => {
    expect(zoomOut({ start: NOW - 3_600_000, end: NOW }, NOW)).toEqual({ from: String(NOW - 7_200_000), to: 'now' })
    expect(zoomOut({ start: NOW - 10_000, end: NOW - 8_000 }, NOW)).toEqual({ from: String(NOW - 11_000), to: String(NOW - 7_000) })
  })
})

test('steps are round, and keep a series below the limit of points', () => {
  for (const minutes of [1, 5, 60, 1440, 10_080, 129_600]) {
    const span = { start: NOW - minutes * 60_000, end: NOW }
    const step = stepSeconds(span)
    expect((span.end - span.start) / 1000 / step).toBeLessThanOrEqual(240)
    const aligned = align(span, step)
    expect(aligned.start % (step * 1000)).toBe(0)
    expect(aligned.start).toBeGreaterThanOrEqual(span.start)
    expect(aligned.end).toBeLessThanOrEqual(span.end)
  }
  expect(rateWindow(5)).toBe('60s')
  expect(rateWindow(60)).toBe('240s')
})
