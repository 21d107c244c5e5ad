// Label sets as text and as keys. Values come from outside: they are only ever shown as text.

import type { Labels } from './api/types'

const PLAIN_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/

export function quote(value: string): string {
  return `"${value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')}"`
}

/** The selector that names exactly this series: `up{job="node"}`, or `{"odd name", job="node"}`. */
export function selector(labels: Labels): string {
  const { __name__: name, ...rest } = labels
  const pairs = Object.keys(rest).sort().map((key) => `${PLAIN_NAME.test(key) ? key : quote(key)}=${quote(rest[key]!)}`)
  if (name === undefined) return `{${pairs.join(', ')}}`
  if (!PLAIN_NAME.test(name)) return `{${[quote(name), ...pairs].join(', ')}}`
  return pairs.length ? `${name}{${pairs.join(', ')}}` : name
}

/** One key per label set, whatever the order. */
export function keyOf(labels: Labels): string {
  return JSON.stringify(Object.keys(labels).sort().map((name) => [name, labels[name]]))
}

/** Two 32-bit FNV-1a hashes over the sorted labels: a short, stable name of a label set for URLs. */
export function fingerprint(labels: Labels): string {
  const text = keyOf(labels)
  let high = 0x811c9dc5
  let low = 0xcbf29ce4
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i)
    high = Math.imul(high ^ code, 0x01000193)
    low = Math.imul(low ^ ((code << 3) | (code >>> 5)), 0x01000193)
  }
  return (high >>> 0).toString(16).padStart(8, '0') + (low >>> 0).toString(16).padStart(8, '0')
}

/** What tells these label sets apart: labels that all of them share are left out. */
export function distinguishing(sets: Labels[]): string[] {
  const names = new Set(sets.flatMap((set) => Object.keys(set)))
  return [...names].filter((name) => sets.some((set) => set[name] !== sets[0]![name])).sort()
}

/** A short name for each series of one chart: what differs, as `name=value` or, where `bare`, as values alone. */
export function shortNames(sets: Labels[], bare = false): string[] {
  if (sets.length === 0) return []
  const names = distinguishing(sets)
  if (names.length === 0) return sets.map((set) => brief(set))
  return sets.map((set) => {
    const parts = names.filter((name) => set[name] !== undefined).map((name) => (bare || names.length === 1 ? set[name]! : `${name}=${set[name]}`))
    return parts.join(' ') || brief(set)
  })
}

function brief(labels: Labels): string {
  const { __name__: name, ...rest } = labels
  const keys = Object.keys(rest).sort()
  if (keys.length === 0) return name ?? 'value'
  // Without a metric's name one or two values speak for themselves.
  if (name === undefined && keys.length <= 2) return keys.map((key) => rest[key]).join(' ')
  return selector(labels)
}

/** With a capital, as on a button. */
export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** Text cut to a bound, so that a 10 kB label cannot break a layout. */
export function clip(text: string, max = 200): string {
  return text.length > max ? `${text.slice(0, max)}…` : text
}
