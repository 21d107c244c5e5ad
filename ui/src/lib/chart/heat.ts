// A heat map out of the buckets of a histogram over time. Pure.

import type { Line } from '../api/prom'

export type Heat = {
  /** Epoch seconds, ascending. */
  times: number[]
  /** From low to high; the last one's upper bound may be infinite. */
  rows: { low: number; high: number; label: string }[]
  /** By row, then by time; null where nothing is known. */
  cells: (number | null)[][]
  max: number
}

/** The selector of a bucket metric inside an expression, or null: `x_bucket{a="b"}` out of `histogram_quantile(0.9, rate(x_bucket{a="b"}[5m]))`. */
export function bucketSelector(query: string): string | null {
  const found = /([a-zA-Z_:][\w:]*_bucket)\s*(\{(?:[^"'{}]|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')*\})?/.exec(query)
  return found ? found[1]! + (found[2] ?? '') : null
}

/** Cumulative counts by `le` become counts per bucket; a count that falls below its neighbour counts as none. */
export function heat(lines: Line[], span: { start: number; end: number }, step: number): Heat | null {
  const by = lines
    .map((line) => ({ bound: bound(line.labels.le), line }))
    .filter((row): row is { bound: number; line: Line } => row.bound !== null)
    .sort((a, b) => a.bound - b.bound)
  if (by.length < 2) return null
  const times: number[] = []
  for (let t = span.start / 1000; t <= span.end / 1000 + 1e-6; t += step) times.push(Math.round(t * 1000) / 1000)
  const at = new Map(times.map((t, i) => [Math.round(t * 1000), i]))
  const cumulative = by.map(({ line }) => {
    const row: (number | null)[] = Array(times.length).fill(null)
    line.times.forEach((t, i) => {
      const place = at.get(Math.round(t * 1000))
      if (place !== undefined && Number.isFinite(line.values[i]!)) row[place] = line.values[i]!
    })
    return row
  })
  let max = 0
  const cells = cumulative.map((row, i) => row.map((value, t) => {
    if (value === null) return null
    const below = i === 0 ? 0 : (cumulative[i - 1]![t] ?? 0)
    const count = Math.max(0, value - below)
    max = Math.max(max, count)
    return count
  }))
  const rows = by.map(({ bound: high }, i) => ({ low: i === 0 ? 0 : by[i - 1]!.bound, high, label: Number.isFinite(high) ? String(high) : '∞' }))
  return { times, rows, cells, max }
}

function bound(text: string | undefined): number | null {
  if (text === undefined) return null
  if (text === '+Inf') return Infinity
  const value = Number(text)
  return Number.isNaN(value) ? null : value
}
