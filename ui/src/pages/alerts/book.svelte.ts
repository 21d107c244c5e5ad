// Alerts from both APIs as one list: what the rules say (v1), and what notification makes of it (v2), where it is there.

import { ApiError, get } from '../../lib/api/client'
import type { ActiveAlert, GettableAlert, Labels, Rule, RuleGroup, Silence } from '../../lib/api/types'
import { severityOf, type Severity } from '../../lib/alerts'
import { fingerprint, keyOf } from '../../lib/labels'
import { resource } from '../../lib/resource.svelte'
import { view } from '../../lib/view.svelte'

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
}

const STATE_ORDER = { firing: 0, pending: 1, inhibited: 2, silenced: 3 }

export function merge(active: ActiveAlert[], managed: GettableAlert[]): Entry[] {
  const known = new Map(managed.map((alert) => [keyOf(alert.labels), alert]))
  const entries = active.filter((alert) => alert.state !== 'inactive').map((alert): Entry => {
    const also = known.get(keyOf(alert.labels))
    known.delete(keyOf(alert.labels))
    return entry(alert.labels, alert.annotations, alert.state as 'firing' | 'pending', alert.activeAt ?? '', alert.value, also)
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
    value: value === null ? null : Number(value), silencedBy, inhibitedBy, receivers: (also?.receivers ?? []).map((r) => r.name),
  }
}

export function severityFirst(a: Entry, b: Entry): number {
  const state = STATE_ORDER[a.state] - STATE_ORDER[b.state]
  return state || a.severity.rank - b.severity.rank || b.sinceMs - a.sinceMs
}

export function alertBook() {
  const active = resource((signal) => {
    void view.now
    return get<{ alerts: ActiveAlert[] }>('/api/v1/alerts', {}, signal).then((reply) => reply.data.alerts ?? [])
  })
  const rules = resource((signal) => {
    void view.now
    return get<{ groups: RuleGroup[] }>('/api/v1/rules', { type: 'alert' }, signal).then((reply) => reply.data.groups)
  })
  // A server without the Alertmanager API answers 404: then there is nothing to silence with, and that is no error.
  const optional = <T>(path: string) => resource<T | null>((signal) => {
    void view.now
    return get<T>(path, {}, signal).then((reply) => reply.data, (error: unknown) => {
      if (error instanceof ApiError && error.kind === 'missing') return null
      throw error
    })
  })
  const managed = optional<GettableAlert[]>('/api/v2/alerts')
  const silences = optional<Silence[]>('/api/v2/silences')
  const entries = $derived(active.data ? merge(active.data, Array.isArray(managed.data) ? managed.data : []) : undefined)

  return {
    get entries() { return entries },
    get error() { return active.error },
    get canSilence() { return Array.isArray(silences.data) },
    get silences() { return Array.isArray(silences.data) ? silences.data : [] },
    ruleOf(labels: Labels): (Rule & { group: string; file: string }) | null {
      for (const group of rules.data ?? []) {
        const found = group.rules.find((rule) => rule.name === labels.alertname && Object.entries(rule.labels ?? {}).every(([name, value]) => labels[name] === value || value.includes('{{')))
        if (found) return { ...found, group: group.name, file: group.file }
      }
      return null
    },
    reload() {
      active.reload()
      managed.reload()
      silences.reload()
    },
  }
}

export type Book = ReturnType<typeof alertBook>
