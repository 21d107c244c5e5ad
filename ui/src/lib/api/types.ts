// The shapes of the Prometheus HTTP API v1 and the Alertmanager API v2 that the pages read.

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
}
export type Targets = { activeTargets: Target[]; droppedTargets?: { discoveredLabels: Labels }[] }

export type NameCount = { name: string; value: number }
export type TsdbStatus = {
  headStats?: { numSeries: number; numLabelPairs?: number; chunkCount: number; minTime: number; maxTime: number }
  seriesCountByMetricName: NameCount[]
  labelValueCountByLabelName: NameCount[]
  memoryInBytesByLabelName?: NameCount[]
  seriesCountByLabelValuePair: NameCount[]
}

export type Matcher = { name: string; value: string; isRegex: boolean; isEqual: boolean }
export type GettableAlert = {
  fingerprint: string
  labels: Labels
  annotations: Labels
  startsAt: string
  endsAt: string
  updatedAt: string
  generatorURL?: string
  receivers: { name: string }[]
  /** Lapwing's own: who has it. */
  ackedBy?: string
  status: { state: 'active' | 'suppressed' | 'unprocessed'; silencedBy: string[]; inhibitedBy: string[]; mutedBy?: string[] }
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

/** Lapwing's own: one step on the way from an alert to a page, and why it went as it did. */
export type Decision = { at_ms: number; fingerprint: string; alertname: string; step: string; reason: string; detail: string }

/** Lapwing's own: one line of the book of what was sent, tried, taken, and given up. */
export type LedgerEntry = {
  at_ms: number
  delivery: string
  event: 'intended' | 'attempted' | 'delivered' | 'failed' | 'superseded' | 'fell_back' | 'dead_letter' | 'interrupted'
  group_key: string
  receiver: string
  channel: string
  attempt: number
  detail: string
}

export type Verdict = 'taken' | 'passed_on' | 'not_matched' | 'not_reached' | 'untested'
export type RouteNode = {
  id: string
  receiver: string
  verdict: Verdict
  matchers: { text: string; found?: string; holds?: boolean }[]
  group_by: string[]
  group?: Labels
  group_wait: string
  group_interval: string
  repeat_interval: string
  continues: boolean
  mute_time_intervals: string[]
  active_time_intervals: string[]
  routes: RouteNode[]
}
export type RouteTest = { receivers: string[]; silenced_by: string[]; route: RouteNode }

/** Lapwing's own: one node of a query with what it cost. Samples and time include those of the nodes below. */
export type Explained = { kind: string; expr: string; plan: string; series: number; samples: number; bytes: number; time_ms: number; children: Explained[] }
