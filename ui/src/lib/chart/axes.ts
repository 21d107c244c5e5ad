// Where ticks stand and what they say. Pure.

import { formatTime, type Unit, type Zone } from '../format'
import type { Span } from '../time/range'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const STEPS = [
  SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 15 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
  HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 90 * DAY, 365 * DAY,
]
const LABEL_PX = 84

/** Round times of the chosen zone, as many as fit beside each other. */
export function timeTicks(span: Span, widthPx: number, zone: Zone): number[] {
  const fit = Math.max(2, Math.floor(widthPx / LABEL_PX))
  const step = STEPS.find((s) => (span.end - span.start) / s <= fit) ?? STEPS.at(-1)!
  const offset = zone === 'utc' ? 0 : -new Date(span.start).getTimezoneOffset() * MINUTE
  const first = Math.ceil((span.start + offset) / step) * step - offset
  const ticks = []
  for (let time = first; time <= span.end; time += step) ticks.push(time)
  return ticks
}

/** The day is said once, where it changes. */
timeTicks.text = (time: number, before: number | null, zone: Zone, step: number): string => {
  const text = formatTime(time, zone)
  const day = text.slice(5, 10)
  if (step >= DAY) return day
  const clock = step < MINUTE ? text.slice(11) : text.slice(11, 16)
  return before !== null && formatTime(before, zone).slice(5, 10) !== day ? `${day} ${clock}` : clock
}

/** Steps of the value axis: halves of powers of two for bytes, of ten otherwise; minutes and hours for long times. */
export function valueIncrements(unit: Unit): number[] {
  if (unit === 'bytes' || unit === 'bytes/s') {
    return Array.from({ length: 100 }, (_, i) => 2 ** i)
  }
  const decimal: number[] = []
  for (let power = -18; power <= 300; power += 1) for (const lead of [1, 2, 2.5, 5]) decimal.push(lead * 10 ** power)
  if (unit !== 'seconds') return decimal
  return [...decimal.filter((v) => v < 30), 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400, 172800, 604800, 2592000]
}
