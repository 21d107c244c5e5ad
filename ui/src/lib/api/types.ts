// The shapes of Prometheus' HTTP API v1 that the pages read. Lapwing's own answers and those of Alertmanager's API v2 are
// written from the server's sources (`types.gen.ts`), so that the two cannot drift apart.

import type { Matcher } from './types.gen'

export type { Decision, GettableAlert, LedgerEntry, Matcher, RouteNode, RouteTest, Verdict } from './types.gen'

export type Labels = Record<string, string>

export type HistogramValue = { count: string; sum: string; buckets?: [number, string, string, string][] }
export type VectorSample = { metric: Labels; value?: [number, string]; histogram?: [number, HistogramValue] }
export type MatrixSeries = {
  metric: Labels
  values?: [number, string][]
  histograms?: [number, HistogramValue][]
}
export type QueryResult =
  | { resultType: 'vector'; result: VectorSample[] }
  | { resultType: 'matrix'; result: MatrixSeries[] }
  | { resultType: 'scalar' | 'string'; result: [number, string] }

export type BuildInfo = { version: string; lapwingVersion?: string; revision?: string; branch?: string; buildDate?: string; goVersion?: string }
export type RuntimeInfo = Record<string, string | number | boolean>
export type MetricMetadata = { type: string; help: string; unit: string }

export type ActiveAlert = {
  labels: Labels
  annotations: Labels
  state: 'firing' | 'pending' | 'inactive'
  activeAt?: string
  keepFiringSince?: string
  value: string
}
export type Rule = {
  type: 'alerting' | 'recording'
  name: string
  query: string
  health: 'ok' | 'err' | 'unknown'
  lastError?: string
  evaluationTime?: number
  lastEvaluation?: string
  labels?: Labels
  annotations?: Labels
  duration?: number
  keepFiringFor?: number
  state?: 'firing' | 'pending' | 'inactive'
  alerts?: ActiveAlert[]
}
export type RuleGroup = {
  name: string
  file: string
  interval: number
  rules: Rule[]
  evaluationTime?: number
  lastEvaluation?: string
}

export type Target = {
  discoveredLabels: Labels
  labels: Labels
  scrapePool: string
  scrapeUrl: string
  globalUrl?: string
  lastError: string
  lastScrape: string
  lastScrapeDuration: number
  health: 'up' | 'down' | 'unknown'
  scrapeInterval?: string
  scrapeTimeout?: string
  /** What of the last page was not kept, and why. */
  warnings?: string[]
}
export type Discovery = { scrapePool: string; provider: string; targets: number; lastSuccess: string | null; lastError: string; failures: number }
export type Targets = { activeTargets: Target[]; droppedTargets?: { discoveredLabels: Labels; scrapePool?: string }[]; discovery?: Discovery[] }

export type NameCount = { name: string; value: number }
/** Of the store. What stands after the first lines only Lapwing tells. */
export type TsdbStatus = {
  headStats?: { numSeries: number; numLabelPairs?: number; chunkCount: number; minTime: number; maxTime: number }
  seriesCountByMetricName: NameCount[]
  labelValueCountByLabelName: NameCount[]
  memoryInBytesByLabelName?: NameCount[]
  seriesCountByLabelValuePair: NameCount[]
  memory?: { indexBytes: number; rawCacheBytes: number; samplesBytes: number; limitBytes: number }
  blocks?: { count: number; sizeBytes: number; samples: number; tierCount: number; tierSizeBytes: number }
  damage?: {
    log: { file: string; start: number; end: number; lostFrom: number; lostTo: number }[]
    blocksUnreadable: { block: string; reason: string }[]
    pagesQuarantined: { block: string; page: number; reason: string }[]
    lostCount: number
    lost: { block: string; series: string | null; start: number; end: number; reason: string }[]
  }
  refused?: Record<string, number>
}

export type Silence = {
  id: string
  status: { state: 'active' | 'pending' | 'expired' }
  updatedAt: string
  comment: string
  createdBy: string
  startsAt: string
  endsAt: string
  matchers: Matcher[]
}

/** Lapwing's own: one node of a query with what it cost. Samples and time include those of the nodes below. */
export type Explained = { kind: string; expr: string; plan: string; series: number; samples: number; bytes: number; time_ms: number; children: Explained[] }
