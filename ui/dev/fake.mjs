// A backend for developing and testing the pages without the server: the same API shapes over a made-up world, and the
// built files with the headers that the server sends. `node dev/fake.mjs [port]`, or `start()` from a test.
//
// Options: `models` false for a first start; `alerts` N for a long list. `state.fault` makes it misbehave:
// 'slow' | 'error' (500) | 'refuse' (403) | 'garbage' | 'half' (queries fail, the rest works).

import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { healthApi } from './health.mjs'
import { STORE, systemApi } from './system.mjs'
import { HOSTILE, METRICS, answer, select } from './world.mjs'

const DIST = fileURLToPath(new URL('../../crates/ui/dist', import.meta.url))
const CSP = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' }

const ago = (seconds) => new Date(Date.now() - seconds * 1000).toISOString()

const RULES = [
  { name: 'HighLatency', query: 'vllm:num_requests_waiting{model_name="chat"} > 10', duration: 120, labels: { severity: 'critical' }, annotations: { summary: 'chat is slow', description: 'requests wait for the engine; the KV cache is nearly full', runbook_url: 'https://example.com/runbooks/latency' } },
  { name: 'DiskNearlyFull', query: 'disk_usage > 0.9', duration: 300, labels: { severity: 'warning' }, annotations: { summary: 'disk of 10.0.0.6 is nearly full' } },
  { name: 'TargetDown', query: 'up == 0', duration: 60, labels: { severity: 'critical' }, annotations: { summary: 'a target does not answer' } },
  { name: 'Odd', query: 'hostile_metric > 1', duration: 0, labels: { severity: 'info' }, annotations: { summary: HOSTILE } },
  { name: 'Quiet', query: 'up == 5', duration: 60, labels: { severity: 'warning' }, annotations: {} },
]

function alerts(options) {
  const fixed = [
    { rule: 'HighLatency', labels: { model: 'chat', model_name: 'chat', instance: '10.0.0.5:8000' }, since: 840, value: '17', state: 'firing', model: true },
    { rule: 'TargetDown', labels: { job: 'vllm', instance: '10.0.0.7:8000' }, since: 5400, value: '0', state: 'firing' },
    { rule: 'DiskNearlyFull', labels: { instance: '10.0.0.6:9100' }, since: 90, value: '0.92', state: 'pending' },
    { rule: 'Odd', labels: { text: HOSTILE, long: 'y'.repeat(10_000) }, since: 30, value: '3', state: 'firing' },
  ]
  const many = Array.from({ length: options.alerts ?? 0 }, (_, i) => ({ rule: 'TargetDown', labels: { instance: `host-${i}`, job: 'many' }, since: i, value: '0', state: 'firing' }))
  return [...fixed.filter((a) => options.models || !a.model), ...many].map((a) => {
    const rule = RULES.find((r) => r.name === a.rule)
    return { labels: { alertname: a.rule, ...rule.labels, ...a.labels }, annotations: rule.annotations, state: a.state, activeAt: ago(a.since), value: a.value }
  })
}

function ruleGroups(options) {
  const active = alerts(options)
  const alerting = RULES.map((rule) => {
    const mine = active.filter((a) => a.labels.alertname === rule.name)
    const state = mine.some((a) => a.state === 'firing') ? 'firing' : mine.length ? 'pending' : 'inactive'
    return { type: 'alerting', ...rule, keepFiringFor: 0, alerts: mine, state, health: 'ok', evaluationTime: 0.0004, lastEvaluation: ago(4) }
  })
  const recording = [
    { type: 'recording', name: 'cpu_usage', query: '1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[1m]))', health: 'ok', evaluationTime: 0.0011, lastEvaluation: ago(4) },
    { type: 'recording', name: 'broken', query: 'sum by (instance) (rate(x[1m])) / on () group_left y', health: 'err', lastError: 'many-to-many matching not allowed: matching labels must be unique on one side', evaluationTime: 0.0002, lastEvaluation: ago(4) },
  ]
  const meta = { interval: 15, evaluationTime: 0.002, lastEvaluation: ago(4) }
  return [{ name: 'models', file: 'lapwing.yml', rules: alerting, ...meta }, { name: 'host', file: 'packs/host.yml', rules: recording, ...meta }]
}

function targets() {
  const make = (job, instance, health, lastError = '') => ({
    discoveredLabels: { __address__: instance, __scheme__: 'http', __metrics_path__: '/metrics', job }, labels: { job, instance }, scrapePool: job,
    scrapeUrl: `http://${instance}/metrics`, globalUrl: `http://${instance}/metrics`, lastError, lastScrape: ago(6), lastScrapeDuration: health === 'up' ? 0.0123 : 10.0004, health, scrapeInterval: '15s', scrapeTimeout: '10s',
  })
  return { activeTargets: [make('node', '10.0.0.5:9100', 'up'), make('node', '10.0.0.6:9100', 'up'), make('vllm', '10.0.0.5:8000', 'up'), make('vllm', '10.0.0.7:8000', 'down', 'Get "http://10.0.0.7:8000/metrics": dial tcp 10.0.0.7:8000: connect: connection refused')], droppedTargets: [{ scrapePool: 'node', discoveredLabels: { __address__: '10.0.0.9:22', job: 'node' } }], discovery: [{ scrapePool: 'cloud', provider: 'http_sd', targets: 0, lastSuccess: null, lastError: 'http://10.0.0.8/targets cannot be reached', failures: 3 }, { scrapePool: 'node', provider: 'file_sd', targets: 2, lastSuccess: ago(20), lastError: '', failures: 0 }] }
}

function tsdb() {
  const top = Object.entries(METRICS).map(([name, list]) => ({ name, value: list.length })).sort((a, b) => b.value - a.value).slice(0, 10)
  return {
    headStats: { numSeries: 1284, numLabelPairs: 412, chunkCount: 5120, minTime: Date.now() - 7.2e6, maxTime: Date.now() }, seriesCountByMetricName: top,
    labelValueCountByLabelName: [{ name: 'shard', value: 500 }, { name: '__name__', value: Object.keys(METRICS).length }, { name: 'instance', value: 6 }],
    memoryInBytesByLabelName: [{ name: 'shard', value: 9000 }], seriesCountByLabelValuePair: [{ name: 'instance=10.0.0.5:9100', value: 12 }], ...STORE,
  }
}

const ok = (data) => ({ status: 200, body: { status: 'success', data } })
const bad = (status, error) => ({ status, body: { status: 'error', errorType: status === 400 ? 'bad_data' : 'execution', error } })

function query(path, params, options) {
  const text = params.get('query') ?? ''
  if (/[({[]\s*$/.test(text) || text.trim() === '') return bad(400, `invalid parameter "query": 1:${text.length}: parse error: unexpected end of input`)
  const series = answer(text, options.models)
  if (path.endsWith('query')) {
    const time = Number(params.get('time') ?? Date.now() / 1000)
    return ok({ resultType: 'vector', result: series.map((s) => ({ metric: s.labels, value: [time, String(s.fn(time))] })) })
  }
  const [start, end, step] = ['start', 'end', 'step'].map((name) => Number(params.get(name)))
  const times = []
  for (let t = start; t <= end + 1e-6; t += step) times.push(t)
  return ok({ resultType: 'matrix', result: series.map((s) => ({ metric: s.labels, values: times.map((t) => [t, s.fn(t)]).filter(([, value]) => value !== null).map(([t, value]) => [t, String(value)]) })) })
}

function api(path, params, request, state) {
  const { options } = state
  const all = () => (params.getAll('match[]').length ? params.getAll('match[]') : ['']).flatMap((m) => select(m, options.models))
  const values = /^\/api\/v1\/label\/([^/]+)\/values$/.exec(path)
  if (values) return ok([...new Set(all().map((s) => s.labels[decodeURIComponent(values[1])]).filter(Boolean))].sort())
  switch (path) {
    case '/api/v1/query': case '/api/v1/query_range': return query(path, params, options)
    case '/api/v1/series': return ok(all().map((s) => s.labels))
    case '/api/v1/labels': return ok([...new Set(all().flatMap((s) => Object.keys(s.labels)))].sort())
    case '/api/v1/metadata': return ok(Object.fromEntries(Object.keys(METRICS).map((name) => [name, [{ type: name.endsWith('_total') ? 'counter' : name.endsWith('_bucket') ? 'histogram' : 'gauge', help: `what ${name} counts`, unit: '' }]])))
    case '/api/v1/alerts': return ok({ alerts: alerts(options) })
    case '/api/v1/rules': return ok({ groups: ruleGroups(options) })
    case '/api/v1/targets': return ok(targets())
    case '/api/v1/status/buildinfo': return ok({ version: '0.1.0-fake', revision: 'none', goVersion: '' })
    case '/api/v1/features': return ok({ api: { remote_write_receiver: true, otlp_write_receiver: true } })
    case '/api/v1/status/runtimeinfo': return ok({ startTime: ago(86400 * 3), storageRetention: '15d', reloadConfigSuccess: true, lastConfigTime: ago(86400), corruptionCount: 0 })
    case '/api/v1/status/tsdb': return ok(tsdb())
    case '/api/v1/status/config': return ok({ yaml: 'models:\n  - name: chat\n    endpoints: [{ url: "http://10.0.0.5:8000" }]\n' })
    case '/api/v1/status/flags': return ok({ listen: '127.0.0.1:9595', data: 'lapwing-data' })
    case '/api/v1/format_query': return ok((params.get('query') ?? '').replace(/\s+/g, ' ').trim())
    case '/api/v1/decisions': return { status: 200, body: state.decisions.filter((d) => d.fingerprint === params.get('fingerprint')) }
    case '/api/v2/alerts': return { status: 200, body: amAlerts(state).filter((a) => params.get('active') !== 'false' || a.status.state !== 'active') }
    case '/api/v2/silences': return request.method === 'POST' ? addSilence(request.parsed, state) : { status: 200, body: state.silences }
    case '/api/v1/ledger': return { status: 200, body: state.ledger }
    case '/api/v2/receivers': return { status: 200, body: [{ name: 'team' }] }
    case '/api/v2/status': return { status: 200, body: { cluster: { status: 'disabled' }, config: { original: '' }, uptime: ago(86400), versionInfo: {} } }
  }
  const ack = /^\/api\/v1\/alerts\/([^/]+)\/ack$/.exec(path)
  if (ack) {
    const by = request.method === 'POST' ? request.parsed.by : null
    state.acks.set(ack[1], by)
    state.decisions.push({ at_ms: Date.now(), fingerprint: ack[1], alertname: '', step: 'ack', reason: by ? 'acknowledged' : 'given_back', detail: request.parsed?.comment ?? '' })
    return { status: 200, body: {} }
  }
  const silence = /^\/api\/v2\/silence\/(.+)$/.exec(path)
  if (silence && request.method === 'DELETE') {
    for (const s of state.silences) if (s.id === silence[1]) Object.assign(s, { status: { state: 'expired' }, endsAt: ago(0) })
    return { status: 200, body: {} }
  }
  const system = systemApi(path, params, request, state)
  if (system) return system
  const health = healthApi(path, params, request, state, { alerts: amAlerts, hides })
  return health === null ? { status: 404, body: { status: 'error', errorType: 'not_found', error: 'no such endpoint' } } : ok(health)
}

function hides(silence, labels) {
  return silence.status.state === 'active' && silence.matchers.every((m) => (m.isRegex ? new RegExp(`^(?:${m.value})$`).test(labels[m.name] ?? '') : (labels[m.name] ?? '') === m.value) === m.isEqual)
}

function amAlerts(state) {
  return alerts(state.options).filter((a) => a.state === 'firing').map((a, i) => {
    const by = state.silences.filter((s) => hides(s, a.labels)).map((s) => s.id)
    return { fingerprint: String(i), labels: a.labels, annotations: a.annotations, startsAt: a.activeAt, endsAt: ago(-300), updatedAt: ago(1), receivers: [{ name: 'team' }], ...(state.acks.get(String(i)) ? { ackedBy: state.acks.get(String(i)) } : {}), status: { state: by.length ? 'suppressed' : 'active', silencedBy: by, inhibitedBy: [] } }
  })
}

/** Fired, told, and said again at every turn of the rule. */
function decided() {
  const row = (age, step, reason, detail) => ({ at_ms: Date.now() - age * 1000, fingerprint: '0', alertname: 'HighLatency', step, reason, detail })
  const again = Array.from({ length: 30 }, (_, i) => row(700 - i * 15, 'rule', 'firing', `rule "HighLatency", value ${10 + i}`))
  return [row(735, 'rule', 'firing', 'rule "HighLatency", value 9'), row(720, 'send', 'first_notification', 'receiver team'), ...again]
}

function addSilence(body, state) {
  if (!body?.createdBy || !body?.comment) return { status: 400, body: 'comment and createdBy are required' }
  const phase = Date.parse(body.startsAt) > Date.now() + 5000 ? 'pending' : 'active'
  const silence = { ...body, id: body.id ?? crypto.randomUUID(), status: { state: phase }, updatedAt: ago(0) }
  state.silences = [...state.silences.filter((s) => s.id !== silence.id), silence]
  return { status: 200, body: { silenceID: silence.id } }
}

function file(path) {
  const wanted = extname(path) ? normalize(path) : '/index.html'
  try {
    const bytes = readFileSync(join(DIST, wanted))
    const type = TYPES[extname(wanted)] ?? 'application/octet-stream'
    // The server writes into the page where its files stand.
    return { status: 200, bytes: wanted === '/index.html' ? Buffer.from(bytes.toString().replaceAll('"./', '"/')) : bytes, type }
  } catch {
    return { status: 404, bytes: Buffer.from('not found'), type: 'text/plain' }
  }
}

const FAULTS = {
  error: () => ({ status: 500, body: { status: 'error', error: 'the store is poisoned' } }),
  refuse: () => ({ status: 403, body: { status: 'error', error: 'role read may not do this' } }),
  garbage: () => ({ status: 200, body: null, raw: '<html>a proxy says hello</html>' }),
  half: (path) => (path.includes('/query') ? { status: 503, body: { status: 'error', error: 'query limit reached' } } : null),
}

async function serve(request, response, state) {
  const url = new URL(request.url, 'http://fake')
  let body = ''
  for await (const chunk of request) body += chunk
  if (!url.pathname.startsWith('/api/')) {
    const { status, bytes, type } = file(url.pathname)
    if (url.pathname.startsWith('/badge/')) return response.writeHead(200, { 'content-type': 'image/svg+xml' }).end(`<svg xmlns="http://www.w3.org/2000/svg" width="${url.pathname.includes('system') ? 500 : 90}" height="20"/>`)
    response.writeHead(status, { 'content-type': type, 'content-security-policy': CSP, 'cache-control': 'no-cache' }).end(bytes)
    return
  }
  if (url.pathname === '/api/v1/events') {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('event: hello\ndata: {}\n\n')
    return
  }
  if (url.pathname === '/api/v1/render') {
    const kind = url.searchParams.get('format')
    const [type, begins] = { svg: ['image/svg+xml', '<svg xmlns="http://www.w3.org/2000/svg"/>'], png: ['image/png', '\x89PNG'], pdf: ['application/pdf', '%PDF-1.7'] }[kind]
    return response.writeHead(200, { 'content-type': type }).end(Buffer.from(begins, 'latin1'))
  }
  const form = request.headers['content-type']?.includes('form')
  request.text = body
  if (body && request.headers['content-type']?.includes('json')) request.parsed = JSON.parse(body)
  const params = form ? new URLSearchParams(body) : url.searchParams
  if (state.fault === 'slow') await new Promise((done) => setTimeout(done, 1500))
  const reply = FAULTS[state.fault]?.(url.pathname) ?? api(url.pathname, params, request, state)
  response.writeHead(reply.status, { 'content-type': 'application/json' }).end(reply.raw ?? JSON.stringify(reply.body))
}

/** Starts a fake; port 0 takes any free one. */
export async function start({ port = 0, models = true, alerts: count = 0 } = {}) {
  const state = { options: { models, alerts: count }, silences: [], acks: new Map(), notes: [], repairs: [], savedRules: new Map(), boards: new Map(), ledger: [], running: [{ id: 7, expr: 'sum(many_series)', started_ms: Date.now() - 4200, age_ms: 4200 }], approved: false, decisions: decided(), fault: null }
  const server = createServer((request, response) => {
    serve(request, response, state).catch((error) => response.writeHead(500).end(String(error)))
  })
  await new Promise((done) => server.listen(port, '127.0.0.1', done))
  const stop = () => new Promise((done) => { server.close(done); server.closeAllConnections() })
  return { state, stop, port: server.address().port, url: `http://127.0.0.1:${server.address().port}` }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const fake = await start({ port: Number(process.argv[2] ?? 9595), models: process.argv[3] !== 'empty' })
  console.log(`fake backend on ${fake.url}`)
}
