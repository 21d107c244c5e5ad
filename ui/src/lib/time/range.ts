// Time ranges as people type them: `now`, `now-1h`, an ISO time or epoch milliseconds. Pure: `now` is a parameter.

import type { Zone } from '../format'

export type Range = { from: string; to: string }
export type Span = { start: number; end: number }

export const DEFAULT_RANGE: Range = { from: 'now-1h', to: 'now' }

export const PRESETS: { label: string; from: string }[] = [
  { label: '5 minutes', from: 'now-5m' },
  { label: '15 minutes', from: 'now-15m' },
  { label: '30 minutes', from: 'now-30m' },
  { label: '1 hour', from: 'now-1h' },
  { label: '3 hours', from: 'now-3h' },
  { label: '6 hours', from: 'now-6h' },
  { label: '12 hours', from: 'now-12h' },
  { label: '24 hours', from: 'now-24h' },
  { label: '2 days', from: 'now-2d' },
  { label: '7 days', from: 'now-7d' },
  { label: '30 days', from: 'now-30d' },
  { label: '90 days', from: 'now-90d' },
]

const UNITS_MS = [31_536_000_000, 604_800_000, 86_400_000, 3_600_000, 60_000, 1000, 1]
const DURATION = /^(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?$/
/** 292 years: what the server can count in nanoseconds. */
const DURATION_MAX_MS = 9_223_372_036_854

/**
 * `1h30m` in milliseconds, or null. The grammar is the server's: whole numbers with units that descend, each at most once, and
 * `0`, which needs no unit. So nothing is accepted here that is refused when it is sent.
 */
export function parseDuration(text: string): number | null {
  if (text === '0') return 0
  const parts = text === '' ? null : DURATION.exec(text)
  if (!parts) return null
  const total = UNITS_MS.reduce((sum, unit, i) => sum + Number(parts[i + 1] ?? 0) * unit, 0)
  return total <= DURATION_MAX_MS ? total : null
}

/** The way back, to the second: `1d2h30m`. */
export function durationText(ms: number): string {
  let rest = Math.max(1, Math.round(ms / 1000))
  let text = ''
  for (const [unit, seconds] of [['d', 86_400], ['h', 3600], ['m', 60], ['s', 1]] as const) {
    const count = Math.floor(rest / seconds)
    if (count) text += `${count}${unit}`
    rest -= count * seconds
  }
  return text
}

/** One end of a range in epoch milliseconds, or null when the text means nothing. A time that names no zone is one of `zone`. */
export function parseTime(text: string, now: number, zone: Zone): number | null {
  const trimmed = text.trim()
  if (trimmed === 'now') return now
  const relative = /^now\s*([-+])\s*(\S+)$/.exec(trimmed)
  if (relative) {
    const by = parseDuration(relative[2]!)
    return by === null ? null : now + (relative[1] === '-' ? -by : by)
  }
  if (/^\d{12,14}$/.test(trimmed)) return Number(trimmed)
  if (/^\d{9,11}(\.\d+)?$/.test(trimmed)) return Number(trimmed) * 1000
  if (!/^\d{4}-\d{2}-\d{2}/.test(trimmed)) return null
  // A day alone would be taken for one of UTC, a time without its zone for one of the browser.
  const [day, hour = '00:00'] = trimmed.split(/[T\s]\s*(?=\d)/)
  const named = /(?:Z|[-+]\d{2}:?\d{2})$/i.test(hour)
  const parsed = Date.parse(`${day}T${hour}${named || zone === 'local' ? '' : 'Z'}`)
  return Number.isNaN(parsed) ? null : parsed
}

/** A moment as the address holds it: epoch milliseconds, or where those would be taken for seconds, an ISO time. */
export function stamp(ms: number): string {
  const whole = Math.round(ms)
  return /^\d{12,14}$/.test(String(whole)) ? String(whole) : new Date(whole).toISOString()
}

function read(range: Range, now: number, zone: Zone): Span | null {
  const start = parseTime(range.from, now, zone)
  const end = parseTime(range.to, now, zone)
  return start === null || end === null || start >= end ? null : { start, end }
}

export function isReadable(range: Range, now: number, zone: Zone): boolean {
  return read(range, now, zone) !== null
}

/** Milliseconds of both ends; a range that cannot be read falls back to the last hour. */
export function resolve(range: Range, now: number, zone: Zone): Span {
  return read(range, now, zone) ?? { start: now - 3_600_000, end: now }
}

/** Whether the range moves with the clock. */
export function isLive(range: Range): boolean {
  return range.to.startsWith('now')
}

export function describe(range: Range, zone: Zone, format: (ms: number) => string): string {
  const preset = PRESETS.find((p) => p.from === range.from)
  if (preset && range.to === 'now') return `Last ${preset.label}`
  if (range.to === 'now' && /^now-\S+$/.test(range.from)) return `Last ${range.from.slice(4)}`
  const part = (text: string) => {
    const at = text.startsWith('now') ? null : parseTime(text, 0, zone)
    return at === null ? text : format(at)
  }
  return `${part(range.from)} – ${part(range.to)}`
}

const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400]

/** The smallest round step in seconds that keeps a series at or below `points_max` points. */
export function stepSeconds(span: Span, pointsMax = 240): number {
  const wanted = (span.end - span.start) / 1000 / pointsMax
  return STEPS_S.find((step) => step >= wanted) ?? Math.ceil(wanted / 86400) * 86400
}

/** Both ends on the step's grid, so that refreshing moves points and does not redraw other ones. */
export function align(span: Span, step: number): Span {
  const ms = step * 1000
  return { start: Math.ceil(span.start / ms) * ms, end: Math.floor(span.end / ms) * ms }
}

/** The window for `rate()`: wide enough for four scrapes and for the step. */
export function rateWindow(step: number): string {
  return `${Math.max(60, step * 4)}s`
}

/** A range twice as wide around the same middle, not past `now`. */
export function zoomOut(span: Span, now: number): Range {
  const width = span.end - span.start
  const end = Math.min(now, span.end + width / 2)
  return { from: stamp(end - width * 2), to: end >= now ? 'now' : stamp(end) }
}
