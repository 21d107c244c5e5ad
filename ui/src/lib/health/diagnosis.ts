// What was known at the moment of a change, as rows to read. The record is open-ended: what is not known here is told as it is. Pure.

import { formatNumber, formatUnit } from '../format'

export type Fact = { about: string; text: string }

type Look = { detail?: string; at_ms?: number; verdict?: string } | null
type Looks = Record<string, { last_bad?: Look; last_good?: Look; version?: string | null }>

const RATIOS = /_ratio$|_pressure$/

export function factsOf(diagnosis: unknown): Fact[] {
  if (diagnosis === null || typeof diagnosis !== 'object') return []
  const { host, looks, moved, ...rest } = diagnosis as Record<string, unknown>
  const facts: Fact[] = []
  if (Array.isArray(moved)) for (const text of moved) facts.push({ about: 'moved most in ten minutes', text: String(text) })
  for (const [name, look] of Object.entries((looks ?? {}) as Looks)) {
    if (look?.last_bad?.detail) facts.push({ about: `${name}, last bad look`, text: look.last_bad.detail })
    if (look?.version) facts.push({ about: `${name}, version`, text: String(look.version) })
  }
  for (const [name, value] of Object.entries((host ?? {}) as Record<string, unknown>)) {
    const number = Number(value)
    const text = Number.isFinite(number) ? (RATIOS.test(name) ? formatUnit(number, 'ratio') : formatNumber(number)) : String(value)
    facts.push({ about: `host, ${name.replace(/_/g, ' ')}`, text })
  }
  for (const [name, value] of Object.entries(rest)) facts.push({ about: name.replace(/_/g, ' '), text: typeof value === 'string' ? value : JSON.stringify(value) })
  return facts
}
