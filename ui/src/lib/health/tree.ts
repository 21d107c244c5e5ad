// What is watched as one tree: what fails first stands above what fails because of it, worst first. Pure.

import type { CheckView, HealthState, HealthTree, ModelView, RecoveryView } from '../api/types.gen'
import type { Tone } from '../../ui/State.svelte'

export type Watched = {
  /** `model/NAME` or `check/NAME`, as events and repairs name it. */
  id: string
  name: string
  state: HealthState
  sinceMs: number
  consequenceOf: string | null
  maintenance: string | null
  dependsOn: string[]
  recovery: RecoveryView[]
  model: ModelView | null
  check: CheckView | null
  below: Watched[]
}

const RANK: Record<HealthState, number> = { critical: 0, unhealthy: 1, degraded: 2, unknown: 3, healthy: 4 }
const TONES: Record<HealthState, Tone> = { critical: 'crit', unhealthy: 'crit', degraded: 'warn', unknown: 'none', healthy: 'ok' }

export const toneOf = (state: HealthState): Tone => TONES[state] ?? 'none'

function worstFirst(a: Watched, b: Watched): number {
  return RANK[a.state] - RANK[b.state] || Number(a.maintenance !== null) - Number(b.maintenance !== null) || Number(b.model !== null) - Number(a.model !== null) || a.name.localeCompare(b.name)
}

export function watched(view: HealthTree): Watched[] {
  const models = view.models.map((model): Watched => ({
    id: `model/${model.name}`, name: model.name, state: model.state, sinceMs: model.since_ms, consequenceOf: model.consequence_of, maintenance: model.maintenance,
    dependsOn: model.depends_on, recovery: model.recovery, model, check: null, below: [],
  }))
  const checks = view.checks.map((check): Watched => ({
    id: `check/${check.name}`, name: check.name, state: check.state, sinceMs: check.since_ms, consequenceOf: check.consequence_of, maintenance: check.maintenance,
    dependsOn: [], recovery: check.recovery, model: null, check, below: [],
  }))
  return [...models, ...checks]
}

/** Roots, worst first; what is a consequence stands below its cause, so that one line says what to repair. */
export function treeOf(view: HealthTree): Watched[] {
  const all = new Map(watched(view).map((node) => [node.id, node]))
  const roots: Watched[] = []
  for (const node of all.values()) {
    const cause = node.consequenceOf === null ? undefined : all.get(node.consequenceOf)
    if (cause && cause !== node && cause.consequenceOf === null) cause.below.push(node)
    else roots.push(node)
  }
  for (const node of all.values()) node.below.sort(worstFirst)
  return roots.sort(worstFirst)
}

/** Every repair of everything, those that wait for a person first. */
export function repairsOf(view: HealthTree): RecoveryView[] {
  const order = (r: RecoveryView) => (r.phase.phase === 'awaiting_approval' ? 0 : r.phase.phase === 'idle' ? 2 : 1)
  const checks = [...view.checks, ...view.models.flatMap((m) => m.endpoints.flatMap((e) => e.checks))]
  return [...view.models.flatMap((m) => m.recovery), ...checks.flatMap((c) => c.recovery)].sort((a, b) => order(a) - order(b) || a.target.localeCompare(b.target))
}

export function countsOf(view: HealthTree): { state: HealthState; count: number }[] {
  const all = watched(view)
  return (Object.keys(RANK) as HealthState[]).map((state) => ({ state, count: all.filter((n) => n.state === state).length })).filter((c) => c.count > 0)
}

/** `ok · 12 ms` in words: what the last look found. */
export function lastLook(check: CheckView): string {
  if (check.detail) return check.detail
  if (check.reason) return check.reason.replace(/_/g, ' ')
  if (check.verdict === 'pass') return 'as expected'
  return check.last_ms === null ? 'not looked at yet' : (check.verdict ?? 'nothing was heard yet')
}

const STEPS: Record<string, string> = {
  start: 'started', would_start: 'would start (dry run)', approval_asked: 'waits for approval', worked: 'it helped', action_failed: 'the action failed', did_not_help: 'it did not help',
  no_longer_needed: 'no longer needed', escalated: 'given up, escalated', interrupted: 'interrupted', action_done: 'the action ran', action_error: 'the action failed', refused: 'refused',
}

/** A step of a repair in words; `{ refused: "cooldown" }` as well. */
export function stepWords(step: unknown): string {
  if (typeof step === 'string') return STEPS[step] ?? step.replace(/_/g, ' ')
  const [kind, why] = Object.entries((step ?? {}) as Record<string, unknown>)[0] ?? ['', '']
  return `${STEPS[kind] ?? kind}: ${String(why).replace(/_/g, ' ')}`
}
