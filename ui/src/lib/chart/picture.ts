// Where the server draws what a graph shows, as a file for a document or a chat. Pure but for the reader's clock.

import { search } from '../api/client'
import type { Unit, Zone } from '../format'
import type { Span } from '../time/range'

export type PictureKind = 'svg' | 'png' | 'pdf'
export type Pictured = { title: string; queries: { expr: string; name?: string | undefined }[]; span: Span; step: number; unit: Unit; threshold?: number | undefined }

/** The server's units; what it has no word for is a plain number. */
const UNITS: Partial<Record<Unit, string>> = { ratio: 'ratio', percent: 'percent', bytes: 'bytes', 'bytes/s': 'bytes', seconds: 'seconds' }

export function pictureUrl({ title, queries, span, step, unit, threshold }: Pictured, kind: PictureKind, zone: Zone): string {
  return `/api/v1/render?${search({
    query: queries.map((query) => query.expr), name: queries.map((query) => query.name ?? ''), title, start: span.start / 1000, end: span.end / 1000, step, unit: UNITS[unit] ?? 'none', threshold,
    offset_s: zone === 'utc' ? 0 : -60 * new Date(span.end).getTimezoneOffset(), width: 960, height: 360, format: kind,
  })}`
}
