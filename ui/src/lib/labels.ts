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

/** 64 bits of FNV-1a over the sorted labels: a short, stable name of a label set for URLs. */
export function fingerprint(labels: Labels): string {
  let hash = 0xcbf29ce484222325n
  for (const byte of new TextEncoder().encode(keyOf(labels))) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n)
  }
  return hash.toString(16).padStart(16, '0')
}

/** What tells these label sets apart: labels that all of them share are left out. */
export function distinguishing(sets: Labels[]): string[] {
  const names = new Set(sets.flatMap((set) => Object.keys(set)))
  return [...names].filter((name) => sets.some((set) => set[name] !== sets[0]![name])).sort()
}

/** A short name for each series of one chart. Falls back to the whole selector when nothing differs. */
export function shortNames(sets: Labels[]): string[] {
  if (sets.length === 0) return []
  const names = distinguishing(sets)
  if (names.length === 0) return sets.map((set) => brief(set))
  return sets.map((set) => {
    const parts = names.filter((name) => set[name] !== undefined).map((name) => (names.length === 1 ? set[name]! : `${name}=${set[name]}`))
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

/** Text cut to a bound, so that a 10 kB label cannot break a layout. */
export function clip(text: string, max = 200): string {
  return text.length > max ? `${text.slice(0, max)}…` : text
}
