// The world that the fake backend tells of: three models, two hosts, two GPUs, drawn from smooth noise of the time, so
// that every question about the same moment gets the same answer.

const noise = (seed, t, period) => Math.sin((t / period) * 2 * Math.PI + seed) * 0.6 + Math.sin((t / period) * 5.3 + seed * 3.1) * 0.4

/** A level with a wave on it, never below zero. */
const wave = (base, swing, seed, period = 1800) => (t) => Math.max(0, base + swing * noise(seed, t, period))
/** An incident: `extra` on top during ten minutes of every hour. */
const incident = (fn, extra) => (t) => fn(t) + (t % 3600 > 2400 && t % 3600 < 3000 ? extra : 0)

const whole = (fn) => (t) => Math.round(fn(t))

export const HOSTILE = '<img src=x onerror="window.__pwned=1"> \u202Eevil\u202C'

const MODELS = [
  { name: 'chat', label: 'model_name', traffic: wave(24, 9, 1), errors: incident(wave(0.002, 0.002, 2), 0.09), p95: incident(wave(1.4, 0.3, 3), 2.6), tokens: wave(5200, 1400, 1), running: whole(wave(18, 6, 4)), waiting: whole(incident(wave(0.5, 1, 5), 22)), cache: incident(wave(0.55, 0.12, 6), 0.35) },
  { name: 'embed', label: 'model_name', traffic: wave(140, 30, 7), errors: wave(0, 0, 1), p95: wave(0.045, 0.008, 8), tokens: wave(0, 0, 1), running: whole(wave(3, 1, 9)), waiting: wave(0, 0, 1), cache: wave(0.1, 0.03, 2) },
  { name: 'rerank', label: 'model', traffic: wave(6.5, 2, 10), errors: wave(0.012, 0.008, 11), p95: wave(0.31, 0.05, 12), tokens: null, running: null, waiting: null, cache: null },
]
const HOSTS = ['10.0.0.5:9100', '10.0.0.6:9100']
const GPUS = [0, 1].map((gpu) => ({ gpu: String(gpu), Hostname: 'gpu-1', modelName: 'NVIDIA H200', UUID: `GPU-${gpu}f3` }))

const perModel = (key, labelOf = () => ({})) => MODELS.filter((m) => m[key]).map((m) => ({ labels: { [m.label]: m.name, ...labelOf(m) }, fn: m[key] }))
const perHost = (make, extra = {}) => HOSTS.map((instance, i) => ({ labels: { instance, ...extra }, fn: make(i) }))
const perGpu = (make) => GPUS.map((labels, i) => ({ labels, fn: make(i) }))
const counter = (fn) => (t) => Math.floor(t * Math.max(fn(0), 0.01))

/** Metrics by name, as a scrape would give them. */
export const METRICS = {
  up: [
    ...HOSTS.map((instance) => ({ labels: { job: 'node', instance }, fn: () => 1 })),
    { labels: { job: 'vllm', instance: '10.0.0.5:8000' }, fn: () => 1 },
    { labels: { job: 'vllm', instance: '10.0.0.7:8000' }, fn: () => 0 },
  ],
  cpu_usage: perHost((i) => wave(0.34 + i * 0.2, 0.1, i + 20)),
  memory_usage: perHost((i) => wave(0.61 + i * 0.1, 0.02, i + 30)),
  disk_usage: perHost((i) => wave(0.48 + i * 0.44, 0.001, i + 40)),
  node_load1: perHost((i) => wave(3 + i * 4, 1, i + 50)),
  node_cpu_seconds_total: perHost((i) => counter(wave(4 + i, 0, 1)), { cpu: '0', mode: 'user' }),
  node_memory_MemAvailable_bytes: perHost((i) => wave(2.6e10 + i * 1e10, 5e8, i)),
  node_memory_MemTotal_bytes: perHost(() => () => 6.87e10),
  node_network_receive_bytes_total: perHost((i) => counter(wave(2e6 + i * 1e6, 0, i)), { device: 'eth0' }),
  node_disk_read_bytes_total: perHost((i) => counter(wave(4e5, 0, i)), { device: 'nvme0n1' }),
  node_filesystem_avail_bytes: perHost((i) => wave(4e11 - i * 3e11, 1e8, i), { mountpoint: '/', fstype: 'ext4' }),
  'vllm:request_success_total': perModel('traffic', () => ({ finished_reason: 'stop' })).filter((s) => s.labels.model_name).map((s) => ({ ...s, fn: counter(s.fn) })),
  'vllm:num_requests_running': perModel('running'),
  'vllm:num_requests_waiting': perModel('waiting'),
  'vllm:kv_cache_usage_perc': perModel('cache'),
  'vllm:generation_tokens_total': perModel('tokens').map((s) => ({ ...s, fn: counter(s.fn) })),
  'vllm:e2e_request_latency_seconds_bucket': perModel('p95').filter((s) => s.labels.model_name).flatMap((s) => ['0.5', '1', '2.5', '+Inf'].map((le, i) => ({ labels: { ...s.labels, le }, fn: (t) => Math.floor(t * (i + 1)) }))),
  'vllm:time_to_first_token_seconds_bucket': perModel('p95').filter((s) => s.labels.model_name).flatMap((s) => ['0.1', '0.5', '+Inf'].map((le, i) => ({ labels: { ...s.labels, le }, fn: (t) => Math.floor(t * (i + 1)) }))),
  model_requests_total: [{ labels: { model: 'rerank', version: '3' }, fn: counter(wave(6.5, 0, 1)) }],
  model_errors_total: [{ labels: { model: 'rerank', version: '3' }, fn: counter(wave(0.1, 0, 1)) }],
  model_request_duration_seconds_bucket: ['0.1', '0.5', '+Inf'].map((le, i) => ({ labels: { model: 'rerank', le }, fn: (t) => Math.floor(t * (i + 1)) })),
  DCGM_FI_DEV_GPU_UTIL: perGpu((i) => wave(82 - i * 40, 9, i + 60)),
  DCGM_FI_DEV_FB_USED: perGpu((i) => wave(120000 - i * 50000, 2000, i + 70)),
  DCGM_FI_DEV_FB_FREE: perGpu((i) => wave(23000 + i * 50000, 2000, i + 71)),
  DCGM_FI_DEV_GPU_TEMP: perGpu((i) => wave(71 - i * 12, 3, i + 80)),
  DCGM_FI_DEV_POWER_USAGE: perGpu((i) => wave(560 - i * 200, 60, i + 90)),
  hostile_metric: [{ labels: { text: HOSTILE, zlong: 'x'.repeat(10_000) }, fn: wave(3, 1, 5) }],
  many_series: Array.from({ length: 500 }, (_, i) => ({ labels: { shard: String(i) }, fn: wave(i, 4, i) })),
}

/** What a page's question means, most exact first: a pattern of the query, and the series that answer it. */
const MEANINGS = [
  [/^count by \(instance\) \(count/, () => perHost((i) => () => 16 + i * 16)],
  [/DCGM_FI_DEV_GPU_UTIL \/ 100/, () => perGpu((i) => wave(0.82 - i * 0.4, 0.09, i + 60))],
  [/node_cpu_seconds_total/, () => perHost((i) => wave(0.34 + i * 0.2, 0.1, i + 20))],
  [/node_memory_MemAvailable_bytes.*\//s, () => perHost((i) => wave(0.61 + i * 0.1, 0.02, i + 30))],
  [/node_filesystem_avail_bytes.*\//s, () => perHost((i) => wave(0.48 + i * 0.44, 0.001, i + 40), { mountpoint: '/' })],
  [/rate\(node_network|rate\(node_disk/, (q) => perHost((i) => wave(2e6 + i * 1e6, 8e5, i + q.length), q.includes('device') ? { device: 'eth0' } : {})],
  [/DCGM_FI_DEV_FB_USED.*\//s, () => perGpu((i) => wave(0.83 - i * 0.35, 0.02, i + 70))],
]

/** Facts of models: told by the metrics that a query names. */
function modelFact(query) {
  const table = [
    [/histogram_quantile/, 'p95'], [/abort\|error|errors_total/, 'errors'], [/generation_tokens_total/, 'tokens'],
    [/num_requests_running/, 'running'], [/num_requests_waiting/, 'waiting'], [/kv_cache_usage/, 'cache'], [/request_success_total|model_requests_total/, 'traffic'],
  ]
  if (!/by \(model\)/.test(query)) return null
  const key = table.find(([pattern]) => pattern.test(query))?.[1]
  return key ? MODELS.filter((m) => m[key]).map((m) => ({ labels: { model: m.name }, fn: m[key] })) : null
}

function matchers(query) {
  return [...query.matchAll(/([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*"((?:\\.|[^"\\])*)"/g)].map(([, name, op, value]) => ({ name, op, value: value.replace(/\\(.)/g, '$1') }))
}

function holds(labels, { name, op, value }) {
  const have = labels[name] ?? ''
  const hit = op.includes('~') ? new RegExp(`^(?:${value})$`).test(have) : have === value
  return op.startsWith('!') ? !hit : hit
}

/** All series of the world that a bare selector means; `ours` says whether models are there at all. */
export function select(query, withModels) {
  const wanted = matchers(query).filter((m) => m.name !== '__name__' && m.name !== 'finished_reason')
  const name = /^[\s(]*([a-zA-Z_:][\w:]*)/.exec(query)?.[1]
  const out = []
  for (const [metric, list] of Object.entries(METRICS)) {
    if (name && METRICS[name] && metric !== name) continue
    for (const series of list) {
      const isModel = series.labels.model || series.labels.model_name
      if (isModel && !withModels) continue
      if (wanted.every((m) => holds(series.labels, m))) out.push({ labels: { __name__: metric, ...series.labels }, fn: series.fn })
    }
  }
  return out
}

/** The series that answer a query: by meaning where a page asks, else the metric it names. */
export function answer(query, withModels) {
  // Several questions in one, each marked with its name.
  const parts = [...query.matchAll(/label_replace\(\(([\s\S]*?)\), "__asked__", "(\w+)", "", ""\)/g)]
  if (parts.length) return parts.flatMap(([, inner, name]) => answer(inner, withModels).map((s) => ({ ...s, labels: { ...s.labels, __asked__: name } })))
  const scalar = Number(query)
  if (query.trim() !== '' && !Number.isNaN(scalar)) return [{ labels: {}, fn: () => scalar }]
  if (/^ALERTS\{/.test(query)) return firings(matchers(query).find((m) => m.name === 'alertname')?.value)
  const byModel = modelFact(query)
  const only = matchers(query).filter((m) => (m.name === 'model' || m.name === 'model_name') && m.op === '=')
  if (byModel) return withModels ? byModel.filter((s) => only.length === 0 || only.some((m) => m.value === s.labels.model)) : []
  const fresh = /count by \((model|model_name)\)/.exec(query)
  if (fresh) return withModels ? MODELS.filter((m) => m.label === fresh[1]).map((m) => ({ labels: { [fresh[1]]: m.name }, fn: () => 5 })) : []
  for (const [pattern, make] of MEANINGS) {
    if (pattern.test(query)) return make(query).filter((s) => matchers(query).filter((m) => m.name === 'instance').every((m) => holds(s.labels, m)))
  }
  const named = [...query.matchAll(/[a-zA-Z_:][\w:]*/g)].map((m) => m[0]).find((word) => METRICS[word])
  if (!named) return []
  const list = select(query.slice(query.indexOf(named)), withModels)
  const aggregated = /^\s*(sum|avg|min|max|count)\b(?:\s+by\s*\(([^)]*)\))?/.exec(query)
  if (!aggregated) return list.map((s) => (/^\s*[a-zA-Z_:][\w:]*\s*(\{.*\})?\s*$/s.test(query) ? s : { ...s, labels: bare(s.labels) }))
  return grouped(list, aggregated[1], (aggregated[2] ?? '').split(',').map((s) => s.trim()).filter(Boolean))
}

/** The `ALERTS` series of one alert: a value while it is pending or firing, null (no sample) otherwise. */
function firings(alertname) {
  if (alertname !== 'HighLatency') return []
  const over = (t) => MODELS[0].waiting(t) > 10
  const firing = (t) => over(t) && over(t - 120)
  const series = (alertstate, fn) => ({ labels: { __name__: 'ALERTS', alertname, alertstate }, fn: (t) => (fn(t) ? 1 : null) })
  return [series('firing', firing), series('pending', (t) => over(t) && !firing(t))]
}

const bare = ({ __name__: _, ...labels }) => labels

function grouped(list, op, by) {
  const groups = new Map()
  for (const series of list) {
    const labels = Object.fromEntries(by.filter((name) => series.labels[name] !== undefined).map((name) => [name, series.labels[name]]))
    const key = JSON.stringify(labels)
    groups.set(key, { labels, members: [...(groups.get(key)?.members ?? []), series.fn] })
  }
  const fold = { sum: (v) => v.reduce((a, b) => a + b, 0), avg: (v) => v.reduce((a, b) => a + b, 0) / v.length, min: (v) => Math.min(...v), max: (v) => Math.max(...v), count: (v) => v.length }[op]
  return [...groups.values()].map(({ labels, members }) => ({ labels, fn: (t) => fold(members.map((fn) => fn(t))) }))
}
