// The record of decisions as one story per alert: who was told, and what kept it quiet. Pure.

import type { Decision } from './api/types'

const QUIET = new Set(['inhibited', 'silenced', 'outside_active_time', 'muted_by_time', 'acknowledged', 'cooling_down', 'flapping', 'storm_collapsed', 'already_notified', 'resolved_not_wanted', 'never_notified'])

/** One alert, and in a word whether anybody heard of it. */
export type Story = { id: string; name: string; rows: Decision[]; told: string[]; lost: boolean; kept: string | null; last: number }

/** Answers that overlap as one, newest first. */
export function joined(answers: Decision[][]): Decision[] {
  const all = new Map(answers.flat().map((d) => [JSON.stringify([d.at_ms, d.fingerprint, d.step, d.reason, d.detail]), d]))
  // Those of one moment stay in the order of the server.
  return [...all.values()].sort((a, b) => b.at_ms - a.at_ms)
}

/** Those that the words are found in; the newest first. Takes decisions newest first. */
export function storiesOf(decisions: Decision[], words: string): Story[] {
  const text = words.trim().toLowerCase()
  const by = new Map<string, Decision[]>()
  for (const row of decisions) {
    const rows = by.get(row.fingerprint)
    if (rows) rows.push(row)
    else by.set(row.fingerprint, [row])
  }
  return [...by].map(([id, rows]): Story => ({
    id, rows, name: rows[0]!.alertname,
    told: [...new Set(rows.filter((d) => d.reason === 'delivered').map((d) => d.detail))],
    lost: rows.some((d) => d.reason === 'dead_letter'),
    kept: rows.find((d) => QUIET.has(d.reason))?.reason ?? null,
    last: rows[0]!.at_ms,
  })).filter((s) => !text || `${s.name} ${s.rows.map((d) => `${d.reason} ${d.detail}`).join(' ')}`.toLowerCase().includes(text)).sort((a, b) => b.last - a.last)
}
