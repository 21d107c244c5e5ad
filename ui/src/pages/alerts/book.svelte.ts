// What the alert pages ask for, again with every tick: alerts of both APIs, their rules, the silences.

import { activeAlerts } from '../../lib/active.svelte'
import { ApiError, get } from '../../lib/api/client'
import type { GettableAlert, Labels, Rule, RuleGroup, Silence } from '../../lib/api/types'
import { merge } from '../../lib/alertlist'
import { resource } from '../../lib/resource.svelte'
import { view } from '../../lib/view.svelte'

export function alertBook() {
  const active = activeAlerts()
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
