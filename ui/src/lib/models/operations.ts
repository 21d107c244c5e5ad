// What programs told of their operations, by name. Pure.

import type { Operation } from '../api/types.gen'

export type Summary = { name: string; kind: string; count: number; failed: number; median: number; p95: number; lastMs: number; lastError: string }

/** The model that an operation says it is about, under the names that the SDK and people use. */
export function modelOf(operation: Operation): string | null {
  for (const key of ['model', 'model_name', 'model_id']) {
    const value = operation.metadata[key]
    if (typeof value === 'string' && value !== '') return value
  }
  return null
}

/** Of an ascending list: the value below which this share of it lies. */
function quantile(sorted: number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))]!
}

/** The operations that fail most stand first. */
export function summaries(operations: Operation[]): Summary[] {
  const by = new Map<string, Operation[]>()
  for (const operation of operations) by.set(operation.name, [...(by.get(operation.name) ?? []), operation])
  return [...by].map(([name, all]): Summary => {
    const took = all.map((o) => o.duration_s).sort((a, b) => a - b)
    const newest = [...all].sort((a, b) => b.started_ms - a.started_ms)
    return {
      name, kind: newest[0]!.type, count: all.length, failed: all.filter((o) => !o.success).length, median: quantile(took, 0.5), p95: quantile(took, 0.95),
      lastMs: newest[0]!.started_ms, lastError: newest.find((o) => !o.success)?.error ?? '',
    }
  }).sort((a, b) => b.failed / b.count - a.failed / a.count || b.count - a.count)
}
