// What the fake backend says of itself, of rules that are tried and saved, of routes, and its dashboards.

import { answer } from './world.mjs'

const STEP_S = 120

/** Times in which `expr op limit` holds for one series of the last week. */
function firedOn(series, above, limit, end) {
  const found = []
  for (let t = end - 7 * 86_400; t <= end; t += STEP_S) {
    const value = series.fn(t)
    const holds = value !== null && (above ? value > limit : value < limit)
    const last = found.at(-1)
    if (holds && last && t - last.to <= STEP_S) last.to = t
    else if (holds) found.push({ from: t, to: t })
  }
  return found
}

function backtest({ rule_file: text = '' }) {
  const rule = /expr: \|-\n([\s\S]*?) (>|<) (-?[\d.]+)\n/.exec(text)
  if (!rule) return { status: 400, body: { status: 'error', errorType: 'bad_data', error: 'no rule is given: send rule, rules or rule_file' } }
  const end = Math.floor(Date.now() / 1000 / STEP_S) * STEP_S
  const iso = (s) => new Date(s * 1000).toISOString()
  const intervals = answer(rule[1].trim(), true).flatMap((series) => firedOn(series, rule[2] === '>', Number(rule[3]), end).map(({ from, to }) => ({
    rule: 'draft', labels: { alertname: 'draft', severity: 'warning', ...series.labels }, start: iso(from), end: to === end ? null : iso(to), seconds: to - from + STEP_S, value: Number(rule[3]),
  })))
  const pages = intervals.slice(0, 5).map((i) => ({ at: i.start, receiver: 'team', channel: 'webhook', firing: ['draft'], resolved: [], reason: 'notify', message: '' }))
  return { status: 200, body: { status: 'success', data: { start: iso(end - 604_800), end: iso(end), stepSeconds: STEP_S, evaluations: 5040, fired: intervals.length, intervals, pagesCount: pages.length, pages, failures: {}, yaml: '' } } }
}

const PANELS = [
  { title: 'Lines', queries: [{ expr: 'cpu_usage{instance=~"$host"}' }], unit: 'ratio', thresholds: [{ value: 0.6, tone: 'warn' }] },
  { title: 'Large', kind: 'stat', queries: [{ expr: 'node_load1{instance=~"$host"}' }], thresholds: [{ value: 5, tone: 'crit' }] },
  { title: 'Round', kind: 'gauge', unit: 'ratio', queries: [{ expr: 'disk_usage{instance=~"$host"}' }], thresholds: [{ value: 0.9, tone: 'crit' }] },
  { title: 'Long', kind: 'bar', unit: 'ratio', queries: [{ expr: 'memory_usage{instance=~"$host"}' }] },
  { title: 'Spread', kind: 'heatmap', queries: [{ expr: 'rate(vllm:e2e_request_latency_seconds_bucket{model_name="chat"}[$window])' }] },
  { title: 'List', kind: 'table', queries: [{ expr: 'up' }] },
  { title: 'Past', kind: 'states', queries: [{ expr: 'up' }] },
  { title: 'Words', kind: 'text', text: 'Ask the platform team.' },
]
const BOARDS = [
  {
    id: 'host', origin: 'pack', yaml: 'title: Host\n',
    board: {
      title: 'Host', about: 'one host', needs: 'node_load1', variables: [{ name: 'host', label: 'instance', of: 'node_load1', all: false, several: false }],
      panels: [{ title: 'Disk traffic', unit: 'bytes/s', queries: [{ expr: 'sum(rate(node_disk_read_bytes_total{instance=~"$host"}[$window]))' }] }, { title: 'Load now', kind: 'stat', queries: [{ expr: 'node_load1' }] }],
    },
  },
  { id: 'kinds', origin: 'folder', yaml: 'title: Every kind\n', board: { title: 'Every kind', variables: [{ name: 'host', label: 'instance', of: 'node_load1' }], panels: PANELS } },
]

const ROUTE = {
  id: '0', receiver: 'team', verdict: 'untested', matchers: [], group_by: ['model'], group_wait: '30s', group_interval: '5m', repeat_interval: '4h', continues: false, mute_time_intervals: [], active_time_intervals: [], routes: [],
}
const TOLD = {
  receivers: ['team', 'nightly'], silenced_by: [], inhibited_by: { fingerprint: '0', rule: 'inhibit_rules[0]' }, inhibitable_by: [{ rule: 'inhibit_rules[0]', source: ['severity="critical"'], equal: ['model'] }],
  told: [
    { receiver: 'team', channels: ['webhook', 'email'], group: { model: 'chat' }, group_wait: '30s', group_interval: '5m', repeat_interval: '4h', muted_by: [] },
    { receiver: 'nightly', channels: ['slack'], group: {}, group_wait: '30s', group_interval: '5m', repeat_interval: '4h', muted_by: ['weekends'] },
  ],
  escalations: [{ chain: 'nobody has it', after: '10m', to: 'schedule models', receiver: 'ana-phone', repeat: 2 }], route: { ...ROUTE, verdict: 'taken' },
}

const SETTINGS = [
  { key: 'global.scrape_interval', value: '10s', origin: 'file', place: '/etc/lapwing/lapwing.yml:3', about: 'how often targets are scraped' },
  { key: 'store.retention', value: '30d', origin: 'environment', place: '$KEEP in /etc/lapwing/lapwing.yml:7', about: 'how long samples are kept' },
  { key: 'web.listen', value: '127.0.0.1:9595', origin: 'flag', place: '--listen', about: 'address and port' },
  { key: 'host.enabled', value: 'true', origin: 'default', place: '', about: 'whether this machine is measured' },
]
const FINDINGS = [
  { check: 'config', verdict: 'fine', message: 'what is written is in force' },
  { check: 'clock', verdict: 'warning', message: 'no time service runs here', advice: 'start chrony' },
  { check: 'sources', verdict: 'error', message: 'job vllm: connection refused', advice: 'see whether it runs' },
]

/** Beside what a store of Prometheus tells. */
export const STORE = {
  memory: { indexBytes: 4e6, rawCacheBytes: 2e6, samplesBytes: 9e7, limitBytes: 2 ** 31 }, blocks: { count: 12, sizeBytes: 3.1e8, samples: 1.9e8, tierCount: 4, tierSizeBytes: 2e7 },
  damage: { log: [], blocksUnreadable: [{ block: 'blocks/01J', reason: 'its index does not match its checksum' }], pagesQuarantined: [], lostCount: 1, lost: [] }, refused: { out_of_order: 17 },
}

const slow = () => [
  { expr: 'sum(rate(node_cpu_seconds_total[1d]))', runs: 4, worst_s: 3.2, worst_at_ms: Date.now() - 60_000, last_s: 1.1, last_ms: Date.now() - 5000, failure: null },
  { expr: 'topk(5, {__name__=~".+"})', runs: 1, worst_s: 0.9, worst_at_ms: Date.now() - 9e6, last_s: 0.9, last_ms: Date.now() - 9e6, failure: 'the query holds more samples than one query may' },
]

const spread = (median) => ({ count: 40, mean: median, median, p95: median * 2, p99: median * 3, min: 0, max: median * 4 })
const pipelines = (state) => ({
  window: { start_ms: 0, end_ms: 0 }, overall_health: 'degraded',
  pipelines: state.options.models ? {
    nightly: { health: 'healthy', total_executions: 12, failed_executions: 0, success_rate: 1, duration_s: spread(60), last_error: null, reasons: [] },
    ingest: { health: 'degraded', total_executions: 40, failed_executions: 9, success_rate: 0.775, duration_s: spread(4), last_error: 'the source is away', reasons: [{ reason: 'error_rate', error_rate: 0.225, threshold: 0.2 }] },
  } : {},
})

/** Two rules: one that names the machine, one that keeps no port 22. */
function relabel({ labels }) {
  const named = { ...labels, machine: labels.__address__.split(':')[0] }
  return [
    { rule: 'source_labels: [__address__]\nregex: "(.*):.*"\ntarget_label: machine\naction: replace\n', outcome: 'changed', labels: named },
    { rule: 'source_labels: [__address__]\nregex: .*:22\naction: drop\n', outcome: labels.__address__.endsWith(':22') ? 'dropped' : 'unchanged', labels: named },
  ]
}

const listedBoard = (id, yaml) => ({ id, origin: 'folder', yaml, version: String(yaml.length), board: { title: /title: (.*)/.exec(yaml)?.[1] ?? '', panels: [] } })

/** As the server does it: over what the writer has seen, or where nothing is. */
function putBoard(id, params, yaml, state) {
  const { board } = listedBoard(id, yaml)
  const now = state.boards.get(id)
  if (!params.has('check') && now !== undefined && params.get('version') !== String(now.length)) return { status: 409, body: { status: 'error', errorType: 'conflict', error: `somebody else has changed "${id}"` } }
  if (!params.has('check')) state.boards.set(id, yaml)
  return { status: 200, body: { status: 'success', data: { board } } }
}

/** The answer to a path of these areas, or null: `{ status, body }`. */
export function systemApi(path, params, request, state) {
  const ok = (data) => ({ status: 200, body: { status: 'success', data } })
  const saved = /^\/api\/v1\/rules\/saved\/([\w-]+)$/.exec(path)
  if (saved && request.method === 'PUT') {
    state.savedRules.set(saved[1], request.text)
    return ok({ saved: true, file: `${saved[1]}.yml` })
  }
  const board = /^\/api\/v1\/dashboards\/([\w-]+)$/.exec(path)
  if (board && request.method === 'PUT') return putBoard(board[1], params, request.text, state)
  if (board && request.method === 'DELETE') {
    state.boards.delete(board[1])
    return ok({ removed: board[1] })
  }
  const killed = /^\/api\/v1\/queries\/(\d+)\/kill$/.exec(path)
  if (killed) {
    state.running = []
    return ok({ killed: Number(killed[1]) })
  }
  switch (path) {
    case '/api/v1/pipelines': return ok(pipelines(state))
    case '/api/v1/targets/relabel': return ok(relabel(request.parsed))
    case '/api/v1/rules/backtest': return backtest(request.parsed ?? {})
    case '/api/v1/rules/saved': return ok({ writable: true, files: [...state.savedRules].map(([id, yaml]) => ({ id, yaml })) })
    case '/api/v1/dashboards': return ok({ writable: state.boards.size > 0, dashboards: [...BOARDS, ...[...state.boards].map(([id, yaml]) => listedBoard(id, yaml))] })
    case '/api/v1/routes': return { status: 200, body: ROUTE }
    case '/api/v1/routes/test': return { status: 200, body: TOLD }
    case '/api/v1/queries': return ok(state.running)
    case '/api/v1/queries/slow': return ok(slow())
    case '/api/v1/status/settings': return ok(SETTINGS)
    case '/api/v1/status/doctor': return ok({ at_ms: Date.now(), findings: FINDINGS })
  }
  return null
}
