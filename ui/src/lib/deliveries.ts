// The ledger's lines as one row per page: what it was about, how often it was tried, and how it ended. Pure.

import { matches, parseFilter } from './alerts'
import type { Labels, LedgerEntry } from './api/types'

export type DeliveryState = 'delivered' | 'dead letter' | 'retrying' | 'on its way' | 'superseded' | 'fell back'
export type Delivery = {
  id: string
  startedMs: number
  endedMs: number
  receiver: string
  channel: string
  why: string
  group: string
  attempts: number
  state: DeliveryState
  detail: string
  steps: LedgerEntry[]
}

const ENDS: Partial<Record<LedgerEntry['event'], DeliveryState>> = {
  delivered: 'delivered', dead_letter: 'dead letter', superseded: 'superseded', fell_back: 'fell back', failed: 'retrying',
}

/** Newest first. Lines may be cut off at the old end: a page without its first line is told from what is left. */
export function deliveries(lines: LedgerEntry[]): Delivery[] {
  const byId = new Map<string, LedgerEntry[]>()
  for (const line of lines) byId.set(line.delivery, [...(byId.get(line.delivery) ?? []), line])
  const rows = [...byId].map(([id, found]): Delivery => {
    const steps = [...found].reverse()
    const first = steps[0]!
    const last = steps.at(-1)!
    const end = [...steps].reverse().find((step) => ENDS[step.event])
    return {
      id, steps, startedMs: first.at_ms, endedMs: last.at_ms, receiver: first.receiver, channel: first.channel,
      why: first.event === 'intended' ? first.detail : '',
      group: groupOf(first.group_key),
      attempts: Math.max(...steps.map((step) => step.attempt)),
      state: (end && ENDS[end.event]) ?? 'on its way',
      detail: end?.detail ?? '',
    }
  })
  return rows.sort((a, b) => b.startedMs - a.startedMs)
}

/** `{}/{severity="critical"}:{alertname="Slow"}` is about `alertname="Slow"`. */
export function groupOf(key: string): string {
  const at = key.lastIndexOf(':{')
  return at < 0 ? key : key.slice(at + 2, -1)
}

/** Whether the group of a page is one that an alert with these labels is in: every label of the group is the alert's. */
export function isAbout(group: string, labels: Labels): boolean {
  const { matchers, error } = parseFilter(group)
  return error === null && matchers.length > 0 && matchers.every((m) => matches(labels, m))
}

export type ReceiverRow = { id: string; receiver: string; channel: string; delivered: number; again: number; dead: number; lastMs: number; lastState: DeliveryState }

/** One row per receiver and channel; those that lost a page first, then by name. Takes what `deliveries` gives: newest first. */
export function byReceiver(all: Delivery[]): ReceiverRow[] {
  const rows = new Map<string, ReceiverRow>()
  for (const d of all) {
    const id = `${d.receiver} ${d.channel}`
    const row = rows.get(id) ?? { id, receiver: d.receiver, channel: d.channel, delivered: 0, again: 0, dead: 0, lastMs: d.endedMs, lastState: d.state }
    row.delivered += Number(d.state === 'delivered')
    row.dead += Number(d.state === 'dead letter')
    row.again += Math.max(0, d.attempts - 1)
    rows.set(id, row)
  }
  return [...rows.values()].sort((a, b) => Number(b.dead > 0) - Number(a.dead > 0) || a.receiver.localeCompare(b.receiver))
}
