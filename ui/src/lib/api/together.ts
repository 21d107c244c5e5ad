// Several questions about the same moment as one: each answer is marked with the name of its question, and they travel as one
// query and one reply. A browser sends few requests at once, and each waits for those before it.

import { ApiError } from './client'
import { instant, type Point } from './prom'

/** The label that names the question; no exposition has one of this name. */
export const ASKED = '__asked__'

/** `label_replace` without a source label sets the label on every series; the answers differ in it, so `or` keeps them all. */
export function union(queries: [string, string][]): string {
  return queries.map(([name, query]) => `label_replace((${query}), "${ASKED}", "${name}", "", "")`).join('\nor ')
}

function told(points: Point[]): Map<string, Point[]> {
  const out = new Map<string, Point[]>()
  for (const point of points) {
    const { [ASKED]: name = '', ...labels } = point.labels
    out.set(name, [...(out.get(name) ?? []), { ...point, labels }])
  }
  return out
}

/**
 * The answers by the names of their questions; null asks nothing. Where the union is refused (it counts as one query against the
 * server's limits), each is asked alone, and those that are refused again are left out unless all are.
 */
export async function together<N extends string>(queries: Partial<Record<N, string | null>>, timeMs: number | null, signal?: AbortSignal): Promise<Map<N, Point[]>> {
  const asked = Object.entries(queries).filter((entry): entry is [N, string] => typeof entry[1] === 'string')
  if (asked.length === 0) return new Map()
  try {
    return told((await instant(union(asked), timeMs, signal)).rows) as Map<N, Point[]>
  } catch (error) {
    if (!(error instanceof ApiError) || error.kind !== 'query') throw error
    const alone = await Promise.allSettled(asked.map(([, query]) => instant(query, timeMs, signal)))
    if (alone.every((one) => one.status === 'rejected')) throw error
    return new Map(alone.flatMap((one, i): [N, Point[]][] => (one.status === 'fulfilled' ? [[asked[i]![0], one.value.rows]] : [])))
  }
}
