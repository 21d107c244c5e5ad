// Numbers and times as text. Every value on a page goes through here, so that the same value reads the same everywhere.

export type Unit =
  | 'short' | 'ratio' | 'percent' | 'bytes' | 'bytes/s' | 'seconds' | 'per-second' | 'tokens/s' | 'celsius' | 'watts' | 'bool'

const MINUS = '\u2212'
const ABSENT = '–'

function sign(text: string): string {
  return text.replace('-', MINUS)
}

function digits(value: number, significant = 3): string {
  if (value === 0) return '0'
  const magnitude = Math.floor(Math.log10(Math.abs(value)))
  const places = Math.min(6, Math.max(0, significant - 1 - magnitude))
  let text = value.toFixed(places)
  if (text.includes('.')) text = text.replace(/\.?0+$/, '')
  return text === '-0' ? '0' : text
}

function scaled(value: number, base: number, units: string[], gap: string): string {
  let at = 0
  let rest = value
  while (Math.abs(rest) >= base && at < units.length - 1) {
    rest /= base
    at += 1
  }
  return sign(digits(rest)) + (units[at] ? gap + units[at] : '')
}

function special(value: number): string | null {
  if (Number.isNaN(value)) return 'NaN'
  if (value === Infinity) return '+Inf'
  if (value === -Infinity) return `${MINUS}Inf`
  return null
}

/** `1234567` as `1.23M`; very small values in scientific notation rather than as a false zero. */
export function formatNumber(value: number | null | undefined): string {
  if (value === null || value === undefined) return ABSENT
  const odd = special(value)
  if (odd) return odd
  if (value !== 0 && Math.abs(value) < 1e-4) return sign(value.toExponential(2))
  if (Math.abs(value) >= 1e18) return sign(value.toExponential(2))
  return scaled(value, 1000, ['', 'k', 'M', 'G', 'T', 'P'], '')
}

/** The whole number, as a query can hold it again: `-1234567.891`, `+Inf`. */
export function exactNumber(value: number): string {
  return value === Infinity ? '+Inf' : String(value).replace('Infinity', 'Inf')
}

/** `1 row`, `2 rows`. */
export const counted = (count: number, one: string): string => `${count} ${one}${count === 1 ? '' : 's'}`

/** A duration in seconds: `1.5 ms`, `340 ms`, `2.1 s`, `3m 20s`, `4d 3h`. */
export function formatSeconds(value: number | null | undefined): string {
  if (value === null || value === undefined) return ABSENT
  const odd = special(value)
  if (odd) return odd
  const size = Math.abs(value)
  if (size === 0) return '0 s'
  if (size < 1e-6) return `${sign(digits(value * 1e9))} ns`
  if (size < 1e-3) return `${sign(digits(value * 1e6))} µs`
  if (size < 1) return `${sign(digits(value * 1e3))} ms`
  if (size < 60) return `${sign(digits(value))} s`
  return (value < 0 ? MINUS : '') + formatElapsed(size * 1000)
}

/** Elapsed time in two units at most: `45s`, `3m 20s`, `2h 5m`, `12d 4h`. */
export function formatElapsed(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3600) return pair(seconds, 60, 'm', 1, 's')
  if (seconds < 86400) return pair(seconds, 3600, 'h', 60, 'm')
  return pair(seconds, 86400, 'd', 3600, 'h')
}

function pair(seconds: number, big: number, bigName: string, small: number, smallName: string): string {
  const whole = Math.floor(seconds / big)
  const rest = Math.floor((seconds % big) / small)
  return rest ? `${whole}${bigName} ${rest}${smallName}` : `${whole}${bigName}`
}

/** Percent: what is not whole never reads as 100, but tells two digits of what is missing. Less than 1e-10 is the noise of a sum. */
function percent(value: number): string {
  const missing = 100 - value
  const isNearly = value >= 99.95 && missing >= 1e-10
  const text = isNearly ? value.toFixed(1 - Math.floor(Math.log10(missing))).replace(/0+$/, '') : digits(value)
  return `${sign(text)} %`
}

export function formatUnit(value: number | null | undefined, unit: Unit): string {
  if (value === null || value === undefined) return ABSENT
  const odd = special(value)
  if (odd) return odd
  switch (unit) {
    case 'ratio':
      return percent(value * 100)
    case 'percent':
      return percent(value)
    case 'bytes':
      return scaled(value, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'], ' ')
    case 'bytes/s':
      return `${scaled(value, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB'], ' ')}/s`
    case 'seconds':
      return formatSeconds(value)
    case 'per-second':
      return `${formatNumber(value)}/s`
    case 'tokens/s':
      return `${formatNumber(value)} tok/s`
    case 'celsius':
      return `${sign(digits(value))} °C`
    case 'watts':
      return `${sign(digits(value))} W`
    case 'bool':
      return value === 1 ? 'yes' : value === 0 ? 'no' : formatNumber(value)
    default:
      return formatNumber(value)
  }
}

/** The unit that a metric's name or a query promises; `short` when it promises nothing. */
export function guessUnit(query: string): Unit {
  const rated = /\b(?:rate|irate|deriv)\s*\(/.test(query)
  if (/histogram_quantile|histogram_avg/.test(query)) return /_seconds|duration|latency/.test(query) ? 'seconds' : 'short'
  if (/[-+*/%^]|\bcount\b|\bbool\b/.test(query.replace(/\{[^}]*\}|\[[^\]]*\]|"[^"]*"/g, ''))) return 'short'
  if (/_bytes(?:_total)?\b/.test(query)) return rated ? 'bytes/s' : 'bytes'
  if (/_seconds\b/.test(query) && !rated) return 'seconds'
  if (/\b(?:cpu|memory|disk|gpu)_usage\b|_ratio\b/.test(query) && !rated) return 'ratio'
  return rated ? 'per-second' : 'short'
}

export type Zone = 'local' | 'utc'

const formatters = new Map<string, Intl.DateTimeFormat>()

function formatter(zone: Zone, key: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const id = `${zone}/${key}`
  let found = formatters.get(id)
  if (!found) {
    found = new Intl.DateTimeFormat('sv-SE', { ...options, timeZone: zone === 'utc' ? 'UTC' : undefined })
    formatters.set(id, found)
  }
  return found
}

/** `2026-11-21 02:46:31` in the chosen zone. */
export function formatTime(ms: number, zone: Zone): string {
  return formatter(zone, 'full', {
    year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit',
  }).format(ms)
}

/** `02:46:31`, or with the day when it is not the day of `now`. */
export function formatClock(ms: number, zone: Zone): string {
  return formatTime(ms, zone).slice(11)
}

/** `3m 20s ago`; in the future `in 20s`. */
export function formatAgo(ms: number, now: number): string {
  return ms > now + 500 ? `in ${formatElapsed(ms - now)}` : `${formatElapsed(now - ms)} ago`
}
