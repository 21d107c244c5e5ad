// Asks for the models and for what is known of them.

import { instant, labelValues, range, type Line, type Point } from '../api/prom'
import type { Span } from '../time/range'
import { available, factQuery, type FactId, type Known, type Source } from './facts'

/** How far back a model without fresh samples is still listed. */
const REMEMBERED_MS = 24 * 3_600_000

export type Names = { models: string[]; sources: Source[] }

export async function modelNames(now: number, signal?: AbortSignal): Promise<Names> {
  const span: Span = { start: now - REMEMBERED_MS, end: now }
  // All at once, also where there may be no model: one round trip fewer until the first row is drawn.
  const metrics = (label: string) => labelValues('__name__', [`{${label}!=""}`], span, signal)
  const [ours, theirs, model, modelName] = await Promise.all([
    labelValues('model', [], span, signal), labelValues('model_name', [], span, signal), metrics('model'), metrics('model_name'),
  ])
  const known: Known = { model, model_name: modelName }
  const models = [...new Set([...ours, ...theirs])].filter((name) => name !== '').sort()
  return { models, sources: available(known) }
}

export const TABLE_FACTS: FactId[] = ['traffic', 'errors', 'p95', 'tokens', 'running', 'waiting', 'cache', 'gpu', 'cost']

export type ModelFacts = { now: Map<string, Partial<Record<FactId, number>>>; traffic: Map<string, Line>; seen: Set<string> }

export async function modelFacts(names: Names, asked: { now: number; span: Span; step: number; window: string }, signal?: AbortSignal): Promise<ModelFacts> {
  const out: ModelFacts = { now: new Map(), traffic: new Map(), seen: new Set() }
  if (names.models.length === 0) return out
  const jobs: Promise<unknown>[] = TABLE_FACTS.map(async (fact) => {
    const query = factQuery(names.sources, fact, asked.window)
    if (!query) return
    for (const point of (await instant(query, asked.now, signal)).rows) put(out, fact, point)
  })
  const traffic = factQuery(names.sources, 'traffic', asked.window)
  if (traffic) {
    jobs.push(range(traffic, asked.span, asked.step, signal).then((reply) => {
      for (const line of reply.rows) out.traffic.set(line.labels.model ?? '', line)
    }))
  }
  jobs.push(fresh('model', asked.now, signal).then((list) => list.forEach((name) => out.seen.add(name))))
  jobs.push(fresh('model_name', asked.now, signal).then((list) => list.forEach((name) => out.seen.add(name))))
  await Promise.all(jobs)
  return out
}

function put(out: ModelFacts, fact: FactId, point: Point) {
  const name = point.labels.model
  if (name === undefined || Number.isNaN(point.value)) return
  out.now.set(name, { ...out.now.get(name), [fact]: point.value })
}

/** Models of which a sample came within the last five minutes. */
async function fresh(label: string, now: number, signal?: AbortSignal): Promise<string[]> {
  const reply = await instant(`count by (${label}) ({${label}!="", __name__!~"ALERTS|ALERTS_FOR_STATE"})`, now, signal)
  return reply.rows.map((row) => row.labels[label] ?? '')
}
