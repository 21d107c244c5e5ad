// Written from Rust's sources by a test; do not edit. `LAPWING_WRITE_TYPES=1 cargo test -p lapwing-ui types` writes it anew.

// crates/types/src/health.rs
export type HealthState = 'healthy' | 'unknown' | 'degraded' | 'unhealthy' | 'critical'
export type LookVerdict = 'pass' | 'degraded' | 'fail' | 'unjudged'
export type ProbeReason = 'timeout' | 'refused' | 'closed' | 'unreachable' | 'dns' | 'tls' | 'certificate_expired' | 'certificate_untrusted' | 'certificate_name' | 'certificate_expiring' | 'redirects' | 'too_large' | 'protocol' | 'status' | 'header' | 'body' | 'json_path' | 'latency' | 'answer' | 'empty' | 'stale_weights' | 'auth' | 'not_found' | 'not_running' | 'exit_code' | 'overdue' | 'threshold' | 'artifact' | 'traffic' | 'not_permitted' | 'own_network' | 'own_delay' | 'config' | 'internal'

// crates/types/src/alert/decision.rs
export type DecisionStep = 'health' | 'rule' | 'receive' | 'route' | 'group' | 'inhibit' | 'silence' | 'time' | 'ack' | 'cooldown' | 'flap' | 'storm' | 'dedupe' | 'escalate' | 'send'
export type DecisionReason = 'dependency_failed' | 'planned_work' | 'pending' | 'pending_ended' | 'firing' | 'resolved' | 'rule_removed' | 'kept' | 'held' | 'sender_silent' | 'route_matched' | 'group_opened' | 'group_joined' | 'inhibited' | 'silenced' | 'outside_active_time' | 'muted_by_time' | 'acknowledged' | 'ack_expired' | 'cooling_down' | 'flapping' | 'storm_collapsed' | 'already_notified' | 'resolved_not_wanted' | 'never_notified' | 'notify' | 'repeat_due' | 'escalated' | 'send_intended' | 'delivered' | 'retry_later' | 'fallback_used' | 'dead_letter' | 'template_failed'
export type Decision = {
  at_ms: number
  fingerprint: string
  alertname: string
  step: DecisionStep
  reason: DecisionReason
  detail: string
}

// crates/types/src/alert/kept.rs
export type LedgerEvent = 'intended' | 'attempted' | 'delivered' | 'failed' | 'superseded' | 'fell_back' | 'dead_letter' | 'interrupted'
export type LedgerEntry = {
  at_ms: number
  delivery: string
  event: LedgerEvent
  group_key: string
  receiver: string
  channel: string
  attempt: number
  detail: string
}

// crates/judge/src/health/recovery.rs
export type RecoveryRefusal = 'budget_used_up' | 'target_busy' | 'maintenance' | 'consequence'
export type RecoveryEvent = 'start' | 'would_start' | 'approval_asked' | { refused: RecoveryRefusal } | 'worked' | 'action_failed' | 'did_not_help' | 'no_longer_needed' | 'escalated' | 'interrupted'
export type RecoveryPhase = { phase: 'idle' } | ({ phase: 'awaiting_approval' } & { since_ms: number }) | ({ phase: 'running' } & { since_ms: number }) | ({ phase: 'verifying' } & { until_ms: number }) | ({ phase: 'waiting' } & { until_ms: number })

// crates/judge/src/performance/options.rs
export type Window = {
  start_ms: number
  end_ms: number
}

// crates/judge/src/performance/summary.rs
export type Spread = {
  count: number
  mean: number
  median: number
  p95: number
  p99: number
  min: number
  max: number
}
export type OperationSummary = {
  name: string
  count: number
  failed: number
  success_rate: number
  duration_s: Spread
  last_error: string | null
}
export type ResourceSummary = {
  readings: number
  cpu_percent: Spread | null
  memory_percent: Spread | null
  disk_percent: Spread | null
  disk_free_bytes_min: number | null
  process_memory_bytes: Spread | null
  gpu_utilization_percent: Record<string, Spread>
  gpu_memory_percent: Record<string, Spread>
}

// crates/judge/src/performance/trend.rs
export type TrendWord = 'increasing' | 'decreasing' | 'stable' | 'too_few_readings'
export type Trend = {
  quantity: string
  word: TrendWord
  before: number | null
  after: number | null
  change: number | null
  readings: number
}

// crates/judge/src/performance/findings.rs
export type BottleneckKind = 'slow_operations' | 'failures' | 'cpu' | 'memory' | 'disk_space' | 'gpu_memory' | 'slow_downloads' | 'slow_health_checks' | 'failed_fallbacks'
export type Evidence = {
  id: string
  name: string
  started_ms: number
  duration_s: number
  error: string | null
}
export type Bottleneck = {
  kind: BottleneckKind
  message: string
  value: number
  threshold: number
  of: number
  window: Window
  operations: Evidence[]
}
export type Recommendation = {
  because: BottleneckKind
  message: string
  value: number
  threshold: number
  window: Window
  operations: Evidence[]
}

// crates/judge/src/performance/report.rs
export type PerformanceReport = {
  window: Window
  total_operations: number
  failed_operations: number
  success_rate: number | null
  duration_s: Spread | null
  operations_per_second: number
  by_type: OperationSummary[]
  by_name: OperationSummary[]
  resources: ResourceSummary | null
  trends: Trend[]
  bottlenecks: Bottleneck[]
  recommendations: Recommendation[]
}

// crates/judge/src/performance/operation.rs
export type OperationKind = string
export type ResourceUse = {
  cpu_s: number | null
  memory_before_bytes: number | null
  memory_after_bytes: number | null
  read_bytes: number | null
  written_bytes: number | null
  gpu_memory_before_bytes: number | null
  gpu_memory_after_bytes: number | null
}
export type Operation = {
  id: string
  type: OperationKind
  name: string
  parent: string | null
  started_ms: number
  duration_s: number
  success: boolean
  error: string | null
  metadata: Record<string, unknown>
  resources: ResourceUse | null
}

// crates/engine/src/health/view.rs
export type RecoveryView = {
  target: string
  name: string
  action: string
  phase: RecoveryPhase
  dry_run: boolean
  needs_approval: boolean
  started_last_hour: number
  per_hour_max: number
  escalated: boolean
}
export type CheckView = {
  name: string
  kind: string
  state: HealthState
  since_ms: number
  verdict: LookVerdict | null
  reason: ProbeReason | null
  detail: string
  last_ms: number | null
  duration_s: number | null
  phases: Record<string, number>
  notes: Record<string, string>
  version: string | null
  interval_ms: number
  missed: number
  consequence_of: string | null
  suppressed: boolean
  consequences: string[]
  maintenance: string | null
  recovery: RecoveryView[]
}
export type EndpointView = {
  url: string
  role: string
  state: HealthState
  checks: CheckView[]
}
export type ShardView = {
  name: string
  state: string
  since_ms: number
  version: string | null
  why?: string
  probe_failures: number
  request_failures: number
  restart_attempts: number
}
export type ModelView = {
  name: string
  state: HealthState
  since_ms: number
  version: string | null
  engine: string | null
  owner: string | null
  origin: string
  on_fallback: boolean
  available: boolean | null
  consequence_of: string | null
  suppressed: boolean
  consequences: string[]
  maintenance: string | null
  traffic: HealthState
  requests: [number, number] | null
  endpoints: EndpointView[]
  shards: ShardView[]
  membership_epoch: number | null
  objectives: Record<string, number>
  recovery: RecoveryView[]
  depends_on: string[]
}
export type MaintenanceView = {
  name: string
  of: string[]
  until_ms: number
}
export type HealthView = {
  state: HealthState
  since_ms: number
  own_network_down: boolean
  models: ModelView[]
  checks: CheckView[]
  maintenance: MaintenanceView[]
}

// crates/engine/src/health/event.rs
export type HealthEvent = {
  id: number
  at_ms: number
  subject: string
  from: string
  to: string
  reason: string
  detail: string
  diagnosis: unknown
}
export type AuditEntry = {
  at_ms: number
  target: string
  action: string
  step: string
  by: string
  detail: string
}
export type HealthNote = {
  at_ms: number
  by: string
  text: string
  model: string | null
}

// crates/server/src/http/health/api.rs
export type Discovered = {
  name: string
  engine: string
  url: string
  models: string[]
  why: string
  state: string
  adopt: string
}
export type HealthTree = HealthView & {
  discovered: Discovered[]
}
export type ModelList = {
  models: ModelView[]
  discovered: Discovered[]
}

// crates/notify/src/config/oncall.rs
export type OnCallView = {
  schedule: string
  person: string | null
  receiver: string | null
  until_ms: number | null
  next: string | null
}

// crates/server/src/http/web/escalations.rs
export type EscalationStep = {
  after_ms: number
  kind: string
  name: string
  person: string | null
  receiver: string | null
  repeat: number
}
export type Escalation = {
  name: string
  matchers: string[]
  steps: EscalationStep[]
}

// crates/notify/src/dispatch/silence.rs
export type Matcher = {
  name: string
  value: string
  isRegex: boolean
  isEqual: boolean
}

// crates/notify/src/dispatch/view.rs
export type ReceiverView = {
  name: string
  labels?: Record<string, string>
}
export type AlertStatusView = {
  inhibitedBy: string[]
  silencedBy: string[]
  mutedBy: string[]
  state: string
}
export type GettableAlert = {
  annotations: Record<string, string>
  endsAt: string
  fingerprint: string
  receivers: ReceiverView[]
  startsAt: string
  status: AlertStatusView
  updatedAt: string
  generatorURL?: string
  labels: Record<string, string>
  ackedBy?: string
}
export type PostedSilence = {
  id?: string
  status?: Record<string, string>
  updatedAt?: string
  comment: string
  createdBy: string
  endsAt: string
  startsAt: string
  matchers: Matcher[]
  annotations?: Record<string, string>
  untilResolved?: boolean
}

// crates/server/src/http/alertmanager.rs
export type HiddenAlert = {
  fingerprint: string
  labels: Record<string, string>
  annotations: Record<string, string>
}
export type SilencePreview = {
  hidden: HiddenAlert[]
  warning: string | null
}

// crates/notify/src/dispatch/trace.rs
export type Verdict = 'taken' | 'passed_on' | 'not_matched' | 'not_reached' | 'untested'
export type RouteMatcher = {
  text: string
  found?: string
  holds?: boolean
}
export type RouteNode = {
  id: string
  receiver: string
  verdict: Verdict
  matchers: RouteMatcher[]
  group_by: string[]
  group?: Record<string, string>
  group_wait: string
  group_interval: string
  repeat_interval: string
  continues: boolean
  mute_time_intervals: string[]
  active_time_intervals: string[]
  routes: RouteNode[]
}
export type RouteInhibited = {
  fingerprint: string
  rule: string
}
export type RouteInhibitRule = {
  rule: string
  source: string[]
  equal: string[]
}
export type RouteTold = {
  receiver: string
  channels: string[]
  group: Record<string, string>
  group_wait: string
  group_interval: string
  repeat_interval: string
  muted_by: string[]
}
export type RouteStep = {
  chain: string
  after: string
  to: string
  receiver?: string
  repeat: number
}
export type RouteTest = {
  receivers: string[]
  silenced_by: string[]
  inhibited_by?: RouteInhibited
  inhibitable_by: RouteInhibitRule[]
  told: RouteTold[]
  escalations: RouteStep[]
  route: RouteNode
}

// crates/server/src/http/prometheus/backtest.rs
export type FiredView = {
  rule: string
  labels: Record<string, string>
  start: string
  end: string | null
  seconds: number
  value: number | null
}
export type PageView = {
  at: string
  receiver: string
  channel: string
  firing: string[]
  resolved: string[]
  reason: string
  message: string
}
export type Backtest = {
  start: string
  end: string
  stepSeconds: number
  evaluations: number
  fired: number
  intervals: FiredView[]
  pagesCount: number
  pages: PageView[]
  failures: Record<string, string>
  yaml: string
}

// crates/server/src/http/prometheus/targets.rs
export type RelabelStep = {
  rule: string
  outcome: StepOutcome
  labels: Record<string, string>
}

// crates/judge/src/pipelines/baseline.rs
export type Compared = {
  metric: string
  value: number
  baseline: number
  direction: Direction
  worsening: number | null
  degraded: boolean
}

// crates/judge/src/pipelines/health.rs
export type PipelineState = 'healthy' | 'degraded' | 'critical'
export type PipelineReason = ({ reason: 'error_rate' } & { error_rate: number; threshold: number }) | ({ reason: 'failures_in_row' } & { failures: number }) | ({ reason: 'slower_than_baseline' } & { compared: Compared })
export type PipelineHealth = {
  health: PipelineState
  total_executions: number
  failed_executions: number
  success_rate: number
  duration_s: Spread
  last_error: string | null
  reasons: PipelineReason[]
}
export type PipelineReport = {
  window: Window
  overall_health: PipelineState
  pipelines: Record<string, PipelineHealth>
}

// crates/collect/src/relabel/action.rs
export type StepOutcome = 'unchanged' | 'changed' | 'dropped'

// crates/judge/src/direction.rs
export type Direction = 'lower' | 'higher' | 'info'

// crates/engine/src/queries.rs
export type RunningQuery = {
  id: number
  expr: string
  started_ms: number
  age_ms: number
}

// crates/engine/src/slow_queries.rs
export type SlowQuery = {
  expr: string
  runs: number
  worst_s: number
  worst_at_ms: number
  last_s: number
  last_ms: number
  failure: string | null
}

// crates/server/src/doctor/mod.rs
export type FindingVerdict = 'fine' | 'warning' | 'error'
export type Finding = {
  check: string
  verdict: FindingVerdict
  message: string
  advice?: string
}

// crates/server/src/config/origins.rs
export type Origin = 'default' | 'file' | 'environment' | 'flag'
export type Setting = {
  key: string
  value: string
  origin: Origin
  place: string
  about: string
}

// crates/server/src/dashboards/board.rs
export type BoardQuery = {
  expr: string
  name?: string
}
export type BoardThreshold = {
  value: number
  tone: BoardTone
}
export type BoardTone = 'info' | 'warn' | 'crit'
export type PanelKind = 'graph' | 'stat' | 'gauge' | 'bar' | 'heatmap' | 'table' | 'states' | 'text'
export type BoardPanel = {
  title: string
  kind?: PanelKind
  unit?: string
  queries?: BoardQuery[]
  thresholds?: BoardThreshold[]
  text?: string
}
export type BoardVariable = {
  name: string
  label: string
  of?: string
  all?: boolean
  several?: boolean
}
export type Board = {
  title: string
  about?: string
  needs?: string
  variables?: BoardVariable[]
  panels: BoardPanel[]
}
