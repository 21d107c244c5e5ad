// Where the server draws what a graph or a whole page shows, as a file for a document or a chat.

import { file, search } from '../api/client'
import type { Board } from '../api/types.gen'
import type { Unit, Zone } from '../format'
import { download } from '../table/export'
import type { Span } from '../time/range'

export type PictureKind = 'svg' | 'png' | 'pdf'
export type Pictured = { title: string; queries: { expr: string; name?: string | undefined }[]; span: Span; step: number; unit: Unit; threshold?: number | undefined }

/** The server's units; what it has no word for is a plain number. */
const UNITS: Partial<Record<Unit, string>> = { ratio: 'ratio', percent: 'percent', bytes: 'bytes', 'bytes/s': 'bytes', seconds: 'seconds' }

/** How far the reader's clock is ahead of UTC at this moment, in seconds. */
const offset = (zone: Zone, at: number) => (zone === 'utc' ? 0 : -60 * new Date(at).getTimezoneOffset())

/** A whole dashboard as a PDF; with `choices`, what is chosen of its variables as it stands in the address. */
export function documentUrl(id: string, span: Span, zone: Zone, choices: Record<string, string[]>): string {
  const of = { start: span.start / 1000, end: span.end / 1000, offset_s: offset(zone, span.end) }
  return `/api/v1/dashboards/${encodeURIComponent(id)}/pdf?${search({ ...of, ...choices })}`
}

/** The same of what stands in no file: its panels travel with the question. */
export async function saveDocument(name: string, board: Board, span: Span, zone: Zone): Promise<void> {
  const form = { board: JSON.stringify(board), start: span.start / 1000, end: span.end / 1000, offset_s: offset(zone, span.end) }
  download(`${name}.pdf`, await file('/api/v1/render/document', form))
}

export function pictureUrl({ title, queries, span, step, unit, threshold }: Pictured, kind: PictureKind, zone: Zone): string {
  return `/api/v1/render?${search({
    query: queries.map((query) => query.expr), name: queries.map((query) => query.name ?? ''), title, start: span.start / 1000, end: span.end / 1000, step, unit: UNITS[unit] ?? 'none', threshold,
    offset_s: offset(zone, span.end), width: 960, height: 360, format: kind,
  })}`
}
