// Alerts from both APIs as one list: what the rules say (v1), and what notification makes of it (v2). Pure.

import type { ActiveAlert, GettableAlert, Labels } from './api/types'
import { severityOf, type Severity } from './alerts'
import { fingerprint, keyOf } from './labels'

export type Entry = {
  id: string
  labels: Labels
  annotations: Labels
  severity: Severity
  state: 'firing' | 'pending' | 'silenced' | 'inhibited'
  sinceMs: number
  value: number | null
  silencedBy: string[]
  inhibitedBy: string[]
  receivers: string[]
  ackedBy: string | null
  /** The fingerprint under which notification knows it. */
  managedId: string | null
}

const STATE_ORDER = { firing: 0, pending: 1, inhibited: 2, silenced: 3 }

export function merge(active: ActiveAlert[], managed: GettableAlert[]): Entry[] {
  const known = new Map(managed.map((alert) => [keyOf(alert.labels), alert]))
  const entries = active.filter((alert) => alert.state !== 'inactive').map((alert): Entry => {
    const also = known.get(keyOf(alert.labels))
    known.delete(keyOf(alert.labels))
    return entry(alert.labels, alert.annotations, alert.state as 'firing' | 'pending', alert.activeAt ?? '', alert.value === '' ? null : alert.value, also)
  })
  for (const alert of known.values()) entries.push(entry(alert.labels, alert.annotations, 'firing', alert.startsAt, null, alert))
  return entries.sort(severityFirst)
}

function entry(labels: Labels, annotations: Labels, raw: 'firing' | 'pending', since: string, value: string | null, also?: GettableAlert): Entry {
  const silencedBy = also?.status.silencedBy ?? []
  const inhibitedBy = also?.status.inhibitedBy ?? []
  const state = silencedBy.length ? 'silenced' : inhibitedBy.length ? 'inhibited' : raw
  return {
    id: fingerprint(labels), labels, annotations: annotations ?? {}, severity: severityOf(labels), state, sinceMs: Date.parse(since),
    value: value === null ? null : Number(value), silencedBy, inhibitedBy, receivers: (also?.receivers ?? []).map((r) => r.name), ackedBy: also?.ackedBy ?? null,
    managedId: also?.fingerprint ?? null,
  }
}

/** `quiet`: a silence or another alert keeps it from anybody's ears. `sent`: no rule here fires it, another server sent it. */
export type OpenAlert = ActiveAlert & { quiet: boolean; sent?: boolean }

/** What the pages count as open: the alerts of the rules here, and those that others sent. */
export function openAlerts(active: ActiveAlert[], managed: GettableAlert[]): OpenAlert[] {
  const known = new Map(managed.map((alert) => [keyOf(alert.labels), alert]))
  const isQuiet = (alert: GettableAlert | undefined) => alert?.status.state === 'suppressed'
  const ours = active.map((alert) => ({ ...alert, quiet: isQuiet(known.get(keyOf(alert.labels))) }))
  for (const alert of active) known.delete(keyOf(alert.labels))
  const sent = [...known.values()].map((alert): OpenAlert => (
    { labels: alert.labels, annotations: alert.annotations, state: 'firing', activeAt: alert.startsAt, value: '', quiet: isQuiet(alert), sent: true }))
  return [...ours, ...sent]
}

export function severityFirst(a: Entry, b: Entry): number {
  const state = STATE_ORDER[a.state] - STATE_ORDER[b.state]
  return state || a.severity.rank - b.severity.rank || b.sinceMs - a.sinceMs
}
