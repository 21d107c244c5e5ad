// From query results to the columns that a chart draws, and to the words that say the same. Pure.

import type { Line } from '../api/prom'
import type { Labels } from '../api/types'
import { formatUnit, type Unit } from '../format'
import { shortNames } from '../labels'
import type { Sheet } from '../table/export'
import type { Span } from '../time/range'

export type Stats = { min: number | null; max: number | null; avg: number | null; last: number | null }
export type Series = { name: string; labels: Labels; values: (number | null)[]; stats: Stats }
export type Frame = { times: number[]; series: Series[] }

/** Puts every line on the grid of the range; a missing point is a gap and never a zero. */
export function frame(lines: Line[], span: Span, step: number, names?: string[]): Frame {
  const start = span.start / 1000
  const count = Math.max(1, Math.floor((span.end / 1000 - start) / step + 1e-6) + 1)
  const times = Array.from({ length: count }, (_, i) => start + i * step)
  const titles = distinct(names ?? shortNames(lines.map((line) => line.labels)))
  const series = lines.map((line, at) => {
    const values = new Array<number | null>(count).fill(null)
    line.times.forEach((time, i) => {
      const slot = Math.round((time - start) / step)
      const value = line.values[i]!
      if (slot >= 0 && slot < count) values[slot] = Number.isFinite(value) ? value : null
    })
    return { name: titles[at]!, labels: line.labels, values, stats: stats(values) }
  })
  return { times, series }
}

/** Two queries may find series of one name: the second is told apart, in the legend and as a column of a file. */
function distinct(names: string[]): string[] {
  const taken = new Set(['time'])
  return names.map((name) => {
    let own = name
    for (let n = 2; taken.has(own); n += 1) own = `${name} (${n})`
    taken.add(own)
    return own
  })
}

export function stats(values: (number | null)[]): Stats {
  let min = Infinity
  let max = -Infinity
  let sum = 0
  let count = 0
  let last: number | null = null
  for (const value of values) {
    if (value === null) continue
    if (value < min) min = value
    if (value > max) max = value
    sum += value
    count += 1
    last = value
  }
  return count ? { min, max, avg: sum / count, last } : { min: null, max: null, avg: null, last: null }
}

/** A frame as the rows of a table: one per time, oldest first. */
export function sheetOf(data: Frame): Sheet {
  const rows = data.times.map((time, at) => ({ time: new Date(time * 1000).toISOString(), ...Object.fromEntries(data.series.map((s) => [s.name, s.values[at]])) }))
  return { columns: ['time', ...data.series.map((s) => s.name)], rows }
}

/** One sentence for those who cannot see the lines. */
export function summary(title: string, data: Frame, unit: Unit): string {
  const drawn = data.series.filter((s) => s.stats.last !== null)
  if (drawn.length === 0) return `${title}: no data in this range.`
  const text = (value: number | null) => formatUnit(value, unit)
  if (drawn.length === 1) {
    const { min, max, avg, last } = drawn[0]!.stats
    return `${title}: now ${text(last)}, between ${text(min)} and ${text(max)}, average ${text(avg)}.`
  }
  const highest = drawn.reduce((a, b) => (b.stats.last! > a.stats.last! ? b : a))
  const lowest = drawn.reduce((a, b) => (b.stats.last! < a.stats.last! ? b : a))
  return `${title}: ${drawn.length} series; highest now ${highest.name} at ${text(highest.stats.last)}, lowest ${lowest.name} at ${text(lowest.stats.last)}.`
}

/** The path of a sparkline in a box, and gaps where there is no data. */
export function sparkPath(values: (number | null)[], width: number, height: number, floor: number | null = 0): string {
  const { min, max } = stats(values)
  if (min === null || max === null) return ''
  const low = floor === null ? min : Math.min(floor, min)
  const spread = max - low || 1
  const dx = values.length > 1 ? width / (values.length - 1) : 0
  let path = ''
  let pen = false
  values.forEach((value, i) => {
    if (value === null) {
      pen = false
      return
    }
    const x = (i * dx).toFixed(1)
    const y = (height - 1 - ((value - low) / spread) * (height - 2)).toFixed(1)
    // A lone point between gaps becomes a short stroke, or nobody would see it.
    path += pen ? `L${x} ${y}` : `M${x} ${y}h.1`
    pen = true
  })
  return path
}
