// Dashboards as the server reads them out of their YAML files. Pure.

import type { Board, BoardThreshold, BoardVariable } from './api/types.gen'
import type { Unit } from './format'
import { quote } from './labels'

export type { Board, BoardPanel, BoardThreshold, BoardVariable } from './api/types.gen'

/** What is chosen of a variable; null is everything. */
export type Choice = string[] | null
export type Choices = Record<string, Choice>
export type Listed = { id: string; origin: 'pack' | 'folder'; yaml: string; version: string; board?: Board; error?: string }

/** The tone of the highest threshold that the value has reached; empty below all of them. */
export function toneAt(thresholds: BoardThreshold[], value: number): BoardThreshold['tone'] | '' {
  return [...thresholds].sort((a, b) => b.value - a.value).find((t) => value >= t.value)?.tone ?? ''
}

const UNITS: Unit[] = ['short', 'ratio', 'percent', 'bytes', 'bytes/s', 'seconds', 'per-second', 'tokens/s', 'celsius', 'watts', 'bool']
export const unitOf = (text: string | undefined): Unit => UNITS.find((unit) => unit === text) ?? 'short'

const escapeRegex = (text: string) => text.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&')

/** A choice as a regular expression: one value as itself, several in brackets, so that what stands around them holds for each. */
function pattern(choice: Choice): string {
  if (choice === null || choice.length === 0) return '.*'
  const escaped = choice.map(escapeRegex)
  return escaped.length === 1 ? escaped[0]! : `(${escaped.join('|')})`
}

/** The expression as it is asked: `$window` and the chosen values in their places, as regular expressions inside of quotes. */
export function fill(expr: string, choices: Choices, window: string): string {
  // The longest name first, and all in one pass: what is put in is not looked through again.
  const names = ['window', ...Object.keys(choices)].sort((a, b) => b.length - a.length)
  return expr.replace(new RegExp(`\\$(${names.join('|')})`, 'g'), (_, name: string) =>
    // Quoted as a PromQL string, without the quotes that the expression has already.
    name === 'window' ? window : quote(pattern(choices[name]!)).slice(1, -1))
}

/** What the address says of a variable, within what the variable allows; `all` and `several` hold where they are not written. */
export function choiceOf(variable: BoardVariable, written: string[], options: string[] | undefined): Choice {
  const chosen = written.filter((value) => value !== '')
  if (chosen.length) return variable.several === false ? chosen.slice(0, 1) : chosen
  if (variable.all !== false) return null
  return options?.[0] === undefined ? null : [options[0]]
}
