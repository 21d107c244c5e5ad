// Dashboards that need no file: for hosts, GPUs and each model server whose metrics are there. Pure.

import { gpuPanels, hostPanels, type HostPanel } from './hosts'

export type Dashboard = {
  id: string
  title: string
  about: string
  /** It is offered when this metric exists. */
  needs: string
  /** The label that the page lets one choose a value of, and a metric that carries it. */
  variable: { label: string; title: string; of: string } | null
  panels: (value: string | null, window: string) => HostPanel[]
}

const only = (label: string, value: string | null) => (value === null ? '' : `${label}=${JSON.stringify(value)}`)

function vllm(value: string | null, w: string): HostPanel[] {
  const s = `{${only('model_name', value)}}`
  const by = 'model_name'
  const rate = (metric: string) => `sum by (${by}) (rate(vllm:${metric}${s}[${w}]))`
  const q = (quantile: number, metric: string) => `histogram_quantile(${quantile}, sum by (${by}, le) (rate(vllm:${metric}_bucket${s}[${w}])))`
  const quantiles = (metric: string) => [{ expr: q(0.5, metric), name: 'p50' }, { expr: q(0.95, metric), name: 'p95' }, { expr: q(0.99, metric), name: 'p99' }]
  return [
    { title: 'Requests finished', unit: 'per-second', queries: [{ expr: `sum by (${by}, finished_reason) (rate(vllm:request_success_total${s}[${w}]))` }] },
    { title: 'Requests in the engine', unit: 'short', queries: [{ expr: `sum by (${by}) (vllm:num_requests_running${s})`, name: 'running' }, { expr: `sum by (${by}) (vllm:num_requests_waiting${s})`, name: 'waiting' }] },
    { title: 'Whole request', unit: 'seconds', queries: quantiles('e2e_request_latency_seconds') },
    { title: 'Time to first token', unit: 'seconds', queries: quantiles('time_to_first_token_seconds') },
    { title: 'Time between tokens', unit: 'seconds', queries: quantiles('inter_token_latency_seconds') },
    { title: 'Time in the queue', unit: 'seconds', queries: quantiles('request_queue_time_seconds') },
    { title: 'Tokens', unit: 'tokens/s', queries: [{ expr: rate('prompt_tokens_total'), name: 'prompt' }, { expr: rate('generation_tokens_total'), name: 'generated' }] },
    { title: 'KV cache used', unit: 'ratio', queries: [{ expr: `avg by (${by}) (vllm:kv_cache_usage_perc${s})` }] },
    { title: 'Preemptions', unit: 'per-second', queries: [{ expr: rate('num_preemptions_total') }] },
    { title: 'Prefix cache hits', unit: 'ratio', queries: [{ expr: `${rate('prefix_cache_hits_total')} / ${rate('prefix_cache_queries_total')}` }] },
  ]
}

function triton(value: string | null, w: string): HostPanel[] {
  const s = `{${only('model', value)}}`
  const rate = (metric: string) => `sum by (model) (rate(nv_inference_${metric}${s}[${w}]))`
  const mean = (metric: string) => `${rate(`${metric}_duration_us`)} / ${rate('request_success')} / 1e6`
  return [
    { title: 'Requests', unit: 'per-second', queries: [{ expr: rate('request_success'), name: 'succeeded' }, { expr: rate('request_failure'), name: 'failed' }] },
    { title: 'Inferences per execution', unit: 'short', queries: [{ expr: `${rate('count')} / ${rate('exec_count')}` }] },
    { title: 'Mean time of a request', unit: 'seconds', queries: [{ expr: mean('request'), name: 'request' }, { expr: mean('queue'), name: 'queue' }, { expr: mean('compute_infer'), name: 'compute' }] },
    { title: 'Pending requests', unit: 'short', queries: [{ expr: `sum by (model) (nv_inference_pending_request_count${s})` }] },
  ]
}

export const DASHBOARDS: Dashboard[] = [
  { id: 'host', title: 'Host', about: 'processor, memory, disks, network of one host', needs: 'node_load1', variable: { label: 'instance', title: 'host', of: 'node_load1' }, panels: hostPanels },
  { id: 'gpu', title: 'GPUs', about: 'use, memory, heat and errors of every GPU', needs: 'DCGM_FI_DEV_GPU_UTIL', variable: null, panels: (_, window) => gpuPanels(window) },
  { id: 'vllm', title: 'vLLM', about: 'requests, latencies, tokens and the KV cache', needs: 'vllm:num_requests_running', variable: { label: 'model_name', title: 'model', of: 'vllm:num_requests_running' }, panels: vllm },
  { id: 'triton', title: 'Triton', about: 'requests, batching and queues', needs: 'nv_inference_request_success', variable: { label: 'model', title: 'model', of: 'nv_inference_request_success' }, panels: triton },
]
