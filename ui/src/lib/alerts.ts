// What the pages know about alerts: severities, order, filters, and the silence that hides exactly one. Pure.

import type { Labels, Matcher } from './api/types'
import type { Tone } from '../ui/State.svelte'
import { quote } from './labels'

export type Severity = { rank: number; name: string; tone: Tone }

const RANKS: Record<string, { rank: number; tone: Tone }> = {
  page: { rank: 0, tone: 'crit' }, emergency: { rank: 0, tone: 'crit' }, critical: { rank: 0, tone: 'crit' },
  error: { rank: 1, tone: 'crit' }, high: { rank: 1, tone: 'crit' },
  warning: { rank: 2, tone: 'warn' }, warn: { rank: 2, tone: 'warn' }, medium: { rank: 2, tone: 'warn' }, ticket: { rank: 2, tone: 'warn' },
  info: { rank: 4, tone: 'info' }, low: { rank: 4, tone: 'info' }, none: { rank: 5, tone: 'none' },
}

/** A severity nobody knows ranks after warnings: seen, but not before what is known to be bad. */
export function severityOf(labels: Labels): Severity {
  const name = labels.severity ?? ''
  const known = RANKS[name.toLowerCase()]
  if (known) return { ...known, name: name.toLowerCase() }
  return { rank: 3, tone: name === '' ? 'none' : 'info', name: name === '' ? 'no severity' : name }
}

export type Filter = { matchers: Matcher[]; words: string[]; error: string | null }

/** A name that is not plain stands in quotes, as in PromQL. */
const TOKEN = /\s*(?:([a-zA-Z_][\w.]*|"(?:\\.|[^"\\])+")\s*(=~|!~|!=|=)\s*("(?:\\.|[^"\\])*"|[^\s,]+)|([^\s,]+))\s*,?/y

/** `severity=critical model=~"chat.*" disk`: label matchers, and words to be found anywhere. */
export function parseFilter(text: string): Filter {
  const filter: Filter = { matchers: [], words: [], error: null }
  let at = 0
  while (at < text.length && text.slice(at).trim() !== '') {
    TOKEN.lastIndex = at
    const match = TOKEN.exec(text)
    if (!match || match[0] === '') break
    at = TOKEN.lastIndex
    const [, name, operator, raw, word] = match
    if (word !== undefined) {
      filter.words.push(word.toLowerCase())
      continue
    }
    const matcher = { name: unquote(name!), value: unquote(raw!), isRegex: operator!.includes('~'), isEqual: !operator!.startsWith('!') }
    if (matcher.isRegex && !compile(matcher.value)) filter.error = `"${matcher.value}" is not a regular expression`
    filter.matchers.push(matcher)
  }
  return filter
}

function unquote(text: string): string {
  return text.startsWith('"') ? text.slice(1, -1).replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c)) : text
}

function compile(pattern: string): RegExp | null {
  try {
    return new RegExp(`^(?:${pattern})$`, 's')
  } catch {
    return null
  }
}

/** A label that is absent is the empty text, as everywhere in Prometheus. */
export function matches(labels: Labels, matcher: Matcher): boolean {
  const value = labels[matcher.name] ?? ''
  const hit = matcher.isRegex ? (compile(matcher.value)?.test(value) ?? false) : value === matcher.value
  return hit === matcher.isEqual
}

export function passes(labels: Labels, extra: string, filter: Filter): boolean {
  if (!filter.matchers.every((matcher) => matches(labels, matcher))) return false
  if (filter.words.length === 0) return true
  const text = `${Object.entries(labels).map(([name, value]) => `${name}=${value}`).join(' ')} ${extra}`.toLowerCase()
  return filter.words.every((word) => text.includes(word))
}

export function matcherText(matcher: Matcher): string {
  const operator = matcher.isRegex ? (matcher.isEqual ? '=~' : '!~') : matcher.isEqual ? '=' : '!='
  return `${/^[a-zA-Z_][\w.]*$/.test(matcher.name) ? matcher.name : quote(matcher.name)}${operator}${quote(matcher.value)}`
}

/** The matchers of a silence for exactly this label set. */
export function exactMatchers(labels: Labels): Matcher[] {
  return Object.keys(labels).sort().map((name) => ({ name, value: labels[name]!, isRegex: false, isEqual: true }))
}

/** What a snooze says of itself: it hides one alert, for a while, without a reason. */
export const SNOOZED = 'snoozed'
export const isSnooze = (silence: { comment: string }): boolean => silence.comment === SNOOZED

/** The next time at which the clock of this browser shows that hour. */
export function nextHour(now: number, hour: number): number {
  const then = new Date(now)
  then.setHours(hour, 0, 0, 0)
  if (then.getTime() <= now) then.setDate(then.getDate() + 1)
  return then.getTime()
}
