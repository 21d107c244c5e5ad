// Asks for the models and for what is known of them: one round trip for the names, one for the facts.

import { labelValues, range, type Line, type Point } from '../api/prom'
import { together } from '../api/together'
import type { Span } from '../time/range'
import { available, factQuery, type FactId, type Known, type Source } from './facts'
import type { Facts } from './rank'

/** How far back a model without fresh samples is still listed. */
const REMEMBERED_MS = 24 * 3_600_000

export type Names = { models: string[]; known: Known; sources: Source[] }

export async function modelNames(now: number, signal?: AbortSignal): Promise<Names> {
  const span: Span = { start: now - REMEMBERED_MS, end: now }
  // All at once, also where there may be no model: one round trip fewer until the first row is drawn.
  const metrics = (label: string) => labelValues('__name__', [`{${label}!=""}`], span, signal)
  const [ours, theirs, model, modelName] = await Promise.all([
    labelValues('model', [], span, signal), labelValues('model_name', [], span, signal), metrics('model'), metrics('model_name'),
  ])
  const models = [...new Set([...ours, ...theirs])].filter((name) => name !== '').sort()
  return namesOf(models, { model, model_name: modelName })
}

export function namesOf(models: string[], known: Known): Names {
  return { models, known, sources: available(known) }
}

/** What the facts depend on: as long as it is the same, other names are no reason to ask again. */
export function keyOfNames(names: Names | undefined): string {
  return names ? JSON.stringify([names.models, names.sources.map((s) => s.metric)]) : ''
}

export const TABLE_FACTS: FactId[] = ['traffic', 'errors', 'p95', 'tokens', 'running', 'waiting', 'cache', 'gpu', 'cost']

export type ModelFacts = { now: Map<string, Facts>; traffic: Map<string, Line>; seen: Set<string> }
export type Asked = { now: number; span: Span; step: number; window: string }

/** What Lapwing's own checks of the models say. */
const HEALTH = 'max by (model) (lapwing_health_state{scope="model"})'
/** Models of which a sample came within the last five minutes. */
const fresh = (label: string) => `count by (${label}) ({${label}!="", __name__!~"ALERTS|ALERTS_FOR_STATE"})`

export async function modelFacts(sources: Source[], asked: Asked, signal?: AbortSignal): Promise<ModelFacts> {
  const out: ModelFacts = { now: new Map(), traffic: new Map(), seen: new Set() }
  const query = (fact: FactId) => factQuery(sources, fact, asked.window)
  const traffic = query('traffic')
  const [facts, lines] = await Promise.all([
    together({ ...Object.fromEntries(TABLE_FACTS.map((fact) => [fact, query(fact)])), model: fresh('model'), model_name: fresh('model_name'), health: HEALTH } as Record<FactId | keyof Known | 'health', string | null>, asked.now, signal),
    traffic ? range(traffic, asked.span, asked.step, signal).then((reply) => reply.rows) : [],
  ])
  for (const fact of TABLE_FACTS) for (const point of facts.get(fact) ?? []) put(out, fact, point)
  for (const point of facts.get('health') ?? []) put(out, 'health', point)
  for (const line of lines) out.traffic.set(line.labels.model ?? '', line)
  for (const label of ['model', 'model_name'] as const) for (const point of facts.get(label) ?? []) out.seen.add(point.labels[label] ?? '')
  return out
}

function put(out: ModelFacts, fact: keyof Facts, point: Point) {
  const name = point.labels.model
  if (name === undefined || Number.isNaN(point.value)) return
  out.now.set(name, { ...out.now.get(name), [fact]: point.value })
}
