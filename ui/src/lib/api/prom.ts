// The query API in the shapes that the pages use: numbers instead of strings, milliseconds instead of seconds.

import type { Span } from '../time/range'
import { get } from './client'
import type { HistogramValue, Labels, MatrixSeries, QueryResult, VectorSample } from './types'

export type Point = { labels: Labels; value: number; histogram?: HistogramValue; timeMs: number }
/** One line: `times` in epoch seconds and ascending, `values` beside them. */
export type Line = { labels: Labels; times: number[]; values: number[] }
export type Noted<T> = { rows: T; warnings: string[]; infos: string[] }

/** Sample values travel as strings; `Number` alone would read `+Inf` as NaN. */
export function parseValue(text: string): number {
  if (text === '+Inf' || text === 'Inf') return Infinity
  if (text === '-Inf') return -Infinity
  return Number(text)
}

function point(sample: VectorSample): Point {
  const [time, value] = sample.value ?? [sample.histogram![0], sample.histogram![1].count]
  const row: Point = { labels: sample.metric, value: parseValue(value), timeMs: time * 1000 }
  if (sample.histogram) row.histogram = sample.histogram[1]
  return row
}

export function points(result: QueryResult): Point[] {
  if (result.resultType === 'vector') return result.result.map(point)
  if (result.resultType === 'matrix') {
    return result.result.flatMap((series) =>
      (series.values ?? []).map(([time, value]) => ({ labels: series.metric, value: parseValue(value), timeMs: time * 1000 })),
    )
  }
  return [{ labels: {}, value: parseValue(result.result[1]), timeMs: result.result[0] * 1000 }]
}

export function lines(result: MatrixSeries[]): Line[] {
  return result.map((series) => {
    // A native histogram is drawn as its count until heat maps are there.
    const samples = series.values ?? (series.histograms ?? []).map(([time, h]) => [time, h.count] as [number, string])
    return {
      labels: series.metric,
      times: samples.map(([time]) => time),
      values: samples.map(([, value]) => parseValue(value)),
    }
  })
}

export async function instant(query: string, timeMs: number | null, signal?: AbortSignal): Promise<Noted<Point[]>> {
  const time = timeMs === null ? undefined : timeMs / 1000
  const reply = await get<QueryResult>('/api/v1/query', { query, time }, signal)
  return { rows: points(reply.data), warnings: reply.warnings, infos: reply.infos }
}

export async function range(query: string, span: Span, step: number, signal?: AbortSignal): Promise<Noted<Line[]>> {
  const params = { query, start: span.start / 1000, end: span.end / 1000, step }
  const reply = await get<{ result: MatrixSeries[] }>('/api/v1/query_range', params, signal)
  return { rows: lines(reply.data.result), warnings: reply.warnings, infos: reply.infos }
}

export async function labelValues(label: string, match: string[], span: Span | null, signal?: AbortSignal): Promise<string[]> {
  const params = {
    'match[]': match,
    start: span ? span.start / 1000 : undefined,
    end: span ? span.end / 1000 : undefined,
  }
  return (await get<string[]>(`/api/v1/label/${encodeURIComponent(label)}/values`, params, signal)).data ?? []
}
