// The state of a model in one word, with its reason, and the order: worst first. Pure.

import type { ActiveAlert } from '../api/types'
import { severityOf } from '../alerts'
import type { Tone } from '../../ui/State.svelte'
import type { FactId } from './facts'

/** `health`: the value of `lapwing_health_state`, where Lapwing checks the model. */
export type Facts = Partial<Record<FactId | 'health', number>>
export type ModelRow = {
  name: string
  tone: Tone
  word: string
  why: string
  facts: Facts
  alerts: ActiveAlert[]
  order: number
}

export function alertsOf(model: string, alerts: ActiveAlert[]): ActiveAlert[] {
  return alerts.filter((alert) => alert.labels.model === model || alert.labels.model_name === model)
}

/** Whether samples came of late, or why that is not known: nothing is called fine before the server has said so. */
export type Seen = boolean | 'asking' | 'failed'

/** What is known of a model's samples once both its alerts and its figures have been asked for. */
export function seenOf(has: boolean | undefined, alerts: unknown, failed: boolean): Seen {
  return has !== undefined && alerts !== undefined ? has : failed ? 'failed' : 'asking'
}

/** Values of `lapwing_health_state`; one more than unhealthy is critical. */
const HEALTHY = 0
const DEGRADED = 1
const UNHEALTHY = 2

/** Only what is measured or has been judged decides: alerts, the checks of its health, silence of the source, requests that wait while none runs. */
export function judge(name: string, facts: Facts, alerts: ActiveAlert[], seen: Seen): ModelRow {
  const all = alertsOf(name, alerts).sort((a, b) => severityOf(a.labels).rank - severityOf(b.labels).rank)
  const firing = all.filter((alert) => alert.state === 'firing')
  // What fires stands before what is about to, and the worst of each first.
  const mine = [...firing, ...all.filter((alert) => alert.state !== 'firing')]
  const worst = firing[0]
  const health = facts.health ?? HEALTHY
  const row = (tone: Tone, word: string, why: string, order: number): ModelRow => ({ name, tone, word, why, facts, alerts: mine, order })
  if (worst) {
    const severity = severityOf(worst.labels)
    const why = firing.map((alert) => alert.labels.alertname ?? '').join(', ')
    if (severity.tone === 'crit') return row('crit', severity.name, why, 0)
    if (severity.tone === 'warn' && !(health >= UNHEALTHY)) return row('warn', severity.name, why, 2)
  }
  if (health >= UNHEALTHY) return row('crit', health > UNHEALTHY ? 'critical' : 'unhealthy', 'its checks say so', 0)
  if (health >= DEGRADED) return row('warn', 'degraded', 'its checks say so', 2)
  if (seen === 'failed') return row('none', 'unknown', 'the server did not tell', 4)
  if (seen === 'asking') return row('none', '…', 'being asked', 5)
  if (!seen) return row('warn', 'silent', 'no sample for 5 minutes', 1)
  if ((facts.waiting ?? 0) > 0 && facts.running === 0) return row('warn', 'stuck', 'requests wait while none runs', 2)
  if (mine.some((alert) => alert.state === 'pending')) return row('info', 'pending', 'an alert is about to fire', 4)
  if (worst) return row('info', severityOf(worst.labels).name, worst.labels.alertname ?? '', 3)
  return row('ok', 'ok', 'no alert fires', 5)
}

export function worstFirst(a: ModelRow, b: ModelRow): number {
  return a.order - b.order || (b.facts.errors ?? -1) - (a.facts.errors ?? -1) || (b.facts.traffic ?? -1) - (a.facts.traffic ?? -1) || a.name.localeCompare(b.name)
}
