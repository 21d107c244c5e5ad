// Dashboards as the server reads them out of their YAML files. Pure.

import type { Unit } from './format'
import { quote } from './labels'

export type Variable = { name: string; label: string; of?: string; all?: boolean }
export type BoardPanel = {
  title: string
  kind?: 'stat' | 'gauge' | 'bar' | 'heatmap' | 'table' | 'states' | 'text'
  unit?: string
  queries?: { expr: string; name?: string }[]
  thresholds?: { value: number; tone: 'info' | 'warn' | 'crit' }[]
  text?: string
}
export type Board = { title: string; about?: string; needs?: string; variables?: Variable[]; panels: BoardPanel[] }
export type Listed = { id: string; origin: 'pack' | 'folder'; yaml: string; board?: Board; error?: string }

const UNITS: Unit[] = ['short', 'ratio', 'percent', 'bytes', 'bytes/s', 'seconds', 'per-second', 'tokens/s', 'celsius', 'watts', 'bool']
export const unitOf = (text: string | undefined): Unit => UNITS.find((unit) => unit === text) ?? 'short'

const escapeRegex = (text: string) => text.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&')

/** The expression as it is asked: `$window` and the chosen values in their places. A value goes in as a regular expression, inside quotes. */
export function fill(expr: string, values: Record<string, string | null>, window: string): string {
  const names = Object.keys(values).sort((a, b) => b.length - a.length)
  let out = expr.replaceAll('$window', window)
  for (const name of names) {
    const value = values[name]
    // Quoted as a PromQL string, without the quotes that the expression has already.
    const text = value === null || value === undefined ? '.*' : quote(escapeRegex(value)).slice(1, -1)
    out = out.replaceAll(`$${name}`, () => text)
  }
  return out
}

export type DiffLine = { sign: ' ' | '+' | '-'; text: string }
const DIFF_LINES_MAX = 1500

/** Lines kept, added and taken away, by their longest common subsequence. */
export function diff(before: string, after: string): DiffLine[] {
  const a = before.replace(/\n$/, '').split('\n').slice(0, DIFF_LINES_MAX)
  const b = after.replace(/\n$/, '').split('\n').slice(0, DIFF_LINES_MAX)
  const length = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1))
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1) length[i]![j] = a[i] === b[j] ? length[i + 1]![j + 1]! + 1 : Math.max(length[i + 1]![j]!, length[i]![j + 1]!)
  const out: DiffLine[] = []
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      out.push({ sign: ' ', text: a[i]! })
      i += 1
      j += 1
    } else if (i < a.length && (j >= b.length || length[i + 1]![j]! >= length[i]![j + 1]!)) {
      out.push({ sign: '-', text: a[i]! })
      i += 1
    } else {
      out.push({ sign: '+', text: b[j]! })
      j += 1
    }
  }
  return out
}
