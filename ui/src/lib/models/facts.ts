// What is known of a model, from the metrics that its server really exposes. Each fact has several sources, the most
// exact first; only sources whose metric exists are asked, so a fact without a source stays unknown. Pure.

import { quote } from '../labels'

export type FactId = 'traffic' | 'errors' | 'p95' | 'tokens' | 'running' | 'waiting' | 'cache' | 'ttft' | 'gpu' | 'cost'

export type Source = {
  fact: FactId
  /** The metric that must exist. */
  metric: string
  /** Under which label the model's name travels. */
  label: 'model' | 'model_name'
  expr: (selector: string, window: string) => string
}

type Shape = (metric: string, label: string) => Source['expr']

const rate: Shape = (metric, label) => (sel, w) => `sum by (${label}) (rate(${metric}${sel}[${w}]))`
const p95: Shape = (metric, label) => (sel, w) => `histogram_quantile(0.95, sum by (${label}, le) (rate(${metric}${sel}[${w}])))`
const perHour: Shape = (metric, label) => (sel, w) => `3600 * sum by (${label}) (rate(${metric}${sel}[${w}]))`
const sum: Shape = (metric, label) => (sel) => `sum by (${label}) (${metric}${sel})`
const avg: Shape = (metric, label) => (sel) => `avg by (${label}) (${metric}${sel})`
const share = (bad: string, all: string): Shape => (_, label) => (sel, w) =>
  `(sum by (${label}) (rate(${bad}${sel}[${w}])) or 0 * sum by (${label}) (rate(${all}${sel}[${w}]))) / sum by (${label}) (rate(${all}${sel}[${w}]))`
/** The share of a counter's requests whose label says that they went wrong. */
const shareWhere = (metric: string, where: string): Shape => (_, label) => (sel, w) => {
  const bad = sel === '{}' ? `{${where}}` : `${sel.slice(0, -1)}, ${where}}`
  return `(sum by (${label}) (rate(${metric}${bad}[${w}])) or 0 * sum by (${label}) (rate(${metric}${sel}[${w}]))) / sum by (${label}) (rate(${metric}${sel}[${w}]))`
}

function source(fact: FactId, metric: string, label: Source['label'], shape: Shape): Source {
  return { fact, metric, label, expr: shape(metric, label) }
}

export const SOURCES: Source[] = [
  // Lapwing's own: what the SDK and the operations of pipelines leave.
  source('traffic', 'lapwing_operations_total', 'model', rate),
  source('errors', 'lapwing_operations_total', 'model', shareWhere('lapwing_operations_total', 'outcome="error"')),
  source('p95', 'lapwing_operation_duration_seconds_bucket', 'model', p95),
  // vLLM
  source('traffic', 'vllm:request_success_total', 'model_name', rate),
  source('errors', 'vllm:request_success_total', 'model_name', shareWhere('vllm:request_success_total', 'finished_reason=~"abort|error"')),
  source('p95', 'vllm:e2e_request_latency_seconds_bucket', 'model_name', p95),
  source('ttft', 'vllm:time_to_first_token_seconds_bucket', 'model_name', p95),
  source('tokens', 'vllm:generation_tokens_total', 'model_name', rate),
  source('running', 'vllm:num_requests_running', 'model_name', sum),
  source('waiting', 'vllm:num_requests_waiting', 'model_name', sum),
  source('cache', 'vllm:kv_cache_usage_perc', 'model_name', avg),
  source('cache', 'vllm:gpu_cache_usage_perc', 'model_name', avg),
  // SGLang
  source('traffic', 'sglang:num_requests_total', 'model_name', rate),
  source('p95', 'sglang:e2e_request_latency_seconds_bucket', 'model_name', p95),
  source('ttft', 'sglang:time_to_first_token_seconds_bucket', 'model_name', p95),
  source('tokens', 'sglang:generation_tokens_total', 'model_name', rate),
  source('running', 'sglang:num_running_reqs', 'model_name', sum),
  source('waiting', 'sglang:num_queue_reqs', 'model_name', sum),
  source('cache', 'sglang:token_usage', 'model_name', avg),
  // Triton: it has no histogram of request latency, so there is no p95.
  source('traffic', 'nv_inference_request_success', 'model', rate),
  source('errors', 'nv_inference_request_failure', 'model', (metric, label) => (sel, w) => {
    const by = `sum by (${label}) (rate(`
    return `${by}${metric}${sel}[${w}])) / (${by}${metric}${sel}[${w}])) + ${by}nv_inference_request_success${sel}[${w}])))`
  }),
  source('waiting', 'nv_inference_pending_request_count', 'model', sum),
  // TorchServe
  source('traffic', 'ts_inference_requests_total', 'model_name', rate),
  // LiteLLM
  source('traffic', 'litellm_proxy_total_requests_metric_total', 'model', rate),
  source('errors', 'litellm_proxy_failure_requests_metric_total', 'model', share('litellm_proxy_failure_requests_metric_total', 'litellm_proxy_total_requests_metric_total')),
  source('p95', 'litellm_request_total_latency_metric_bucket', 'model', p95),
  // Spent in the last hour, in whatever money the source counts.
  source('cost', 'litellm_spend_metric_total', 'model', perHour),
]

const TOTALS = /(^|_)(requests|predictions|inferences|inference_requests|request_count)_total$/
const FAILURES = /(^|_)(errors|failures|failed_requests|request_errors|request_failures)_total$/
const LATENCIES = /(^|_)(request|inference|prediction|response|operation)?_?(latency|duration)_seconds_bucket$/
const GPUS = /(^|_)gpu_(usage|utilization|util)(_ratio)?$/
const COSTS = /(^|_)(cost|spend)(_usd|_eur|_dollars)?_total$/
const TOKENS = /(^|_)(generation|output|completion|generated)_tokens_total$/

/** Sources for metrics that nobody listed here but that are named as people name them and carry a `model` label. */
export function guessed(metrics: string[]): Source[] {
  const listed = new Set(SOURCES.map((s) => s.metric))
  const free = metrics.filter((name) => !listed.has(name))
  const total = free.find((name) => TOTALS.test(name))
  const failed = free.find((name) => FAILURES.test(name))
  const latency = free.find((name) => LATENCIES.test(name))
  const tokens = free.find((name) => TOKENS.test(name))
  const gpu = free.find((name) => GPUS.test(name))
  const cost = free.find((name) => COSTS.test(name))
  const found: Source[] = []
  if (total) found.push(source('traffic', total, 'model', rate))
  if (failed && total) found.push(source('errors', failed, 'model', share(failed, total)))
  if (latency) found.push(source('p95', latency, 'model', p95))
  if (tokens) found.push(source('tokens', tokens, 'model', rate))
  if (gpu) found.push(source('gpu', gpu, 'model', avg))
  if (cost) found.push(source('cost', cost, 'model', perHour))
  return found
}

export type Known = { model: string[]; model_name: string[] }

/** The sources that this server can answer, given the metric names that carry each label. */
export function available(known: Known): Source[] {
  return [...SOURCES.filter((s) => known[s.label].includes(s.metric)), ...guessed(known.model)]
}

/**
 * One query for one fact of all models (or of one): every available source, `or`ed after their label is brought to `model`.
 * Null when nothing is known of the fact.
 */
export function factQuery(sources: Source[], fact: FactId, window: string, model?: string): string | null {
  const parts = sources
    .filter((s) => s.fact === fact)
    .map((s) => {
      const expr = s.expr(model === undefined ? `{${s.label}!=""}` : `{${s.label}=${quote(model)}}`, window)
      return s.label === 'model' ? expr : `label_replace(${expr}, "model", "$1", "model_name", "(.*)")`
    })
    .map((expr) => `max by (model) (${expr})`)
  return parts.length ? parts.join('\nor ') : null
}
