// What the fake backend tells of health, operations and on-call: a model that fails because of its host, a repair that waits
// for a person, and names that try to be markup.

import { HOSTILE } from './world.mjs'

const ago = (seconds) => Date.now() - seconds * 1000

const check = (name, kind, state, more = {}) => ({
  name, kind, state, since_ms: ago(900), verdict: state === 'healthy' ? 'pass' : 'fail', reason: state === 'healthy' ? null : 'timeout', detail: '', last_ms: ago(4), duration_s: 0.0123,
  phases: {}, notes: {}, version: null, interval_ms: 10_000, missed: 0, consequence_of: null, maintenance: null, recovery: [], ...more,
})

const repair = (target, name, more = {}) => ({
  target, name, action: 'systemd_restart', phase: { phase: 'idle' }, dry_run: false, needs_approval: false, started_last_hour: 0, per_hour_max: 3, escalated: false, ...more,
})

const model = (name, state, more = {}) => ({
  name, state, since_ms: ago(900), version: '1', engine: 'vllm', owner: 'team chat', on_fallback: false, available: state !== 'unhealthy', consequence_of: null, maintenance: null, traffic: 'healthy',
  requests: [420, 3], endpoints: [{ url: `http://10.0.0.5:8000/${name}`, role: 'primary', state, checks: [check(`${name}/0/health`, 'http', state)] }], shards: [], membership_epoch: null,
  objectives: { availability_target: 0.995, availability_30d: 0.9931, error_budget_remaining: 0.22 }, recovery: [], depends_on: [], ...more,
})

/** The tree, as the options and what was approved so far have it. */
export function tree(state) {
  const lists = { maintenance: [], discovered: [], own_network_down: false, since_ms: ago(900) }
  if (!state.options.models) return { state: 'unknown', models: [], checks: [], ...lists }
  const phase = state.approved ? { phase: 'running', since_ms: ago(1) } : { phase: 'awaiting_approval', since_ms: ago(300) }
  return {
    ...lists, state: 'unhealthy',
    models: [
      model('chat', 'unhealthy', { consequence_of: 'check/gpu-host', depends_on: ['gpu-host'], on_fallback: true, recovery: [repair('model/chat', 'restart the engine', { needs_approval: true, phase })] }),
      model('embed', 'healthy'),
      model('rerank', 'degraded', { owner: HOSTILE, endpoints: [{ url: 'http://10.0.0.9:8000/rerank', role: 'primary', state: 'degraded', checks: [check('rerank/0/answer', 'openai_chat', 'degraded', { verdict: 'degraded', reason: 'latency', detail: `${HOSTILE} ${'z'.repeat(10_000)}` })] }] }),
    ],
    checks: [check('gpu-host', 'tcp', 'unhealthy', { reason: 'refused', detail: 'connection refused' }), check('nightly-backup', 'check_in', 'healthy')],
    maintenance: [{ name: 'new disks', of: ['nightly-backup'], until_ms: Date.now() + 3_600_000 }],
    discovered: [{ name: 'found', engine: 'ollama', url: 'http://127.0.0.1:11434', models: ['small'], why: 'it answers on port 11434 as Ollama does', state: 'seen', adopt: 'models:\n  - name: found\n    endpoints: [{ url: http://127.0.0.1:11434 }]\n' }],
  }
}

const EVENTS = [
  { id: 2, at_ms: ago(900), subject: 'check/gpu-host', from: 'healthy', to: 'unhealthy', reason: 'refused', detail: 'connection refused', diagnosis: { moved: ['GPU memory went from 60% to 99%'], host: { memory_used_ratio: 0.93 } } },
  { id: 1, at_ms: ago(860), subject: 'model/chat', from: 'healthy', to: 'unhealthy', reason: 'timeout', detail: HOSTILE, diagnosis: null },
]

// Told twice, as a server with two groups of the same name might: a page must survive it.
EVENTS.push({ ...EVENTS[1] })

const OPERATIONS = Array.from({ length: 40 }, (_, i) => ({
  id: `op-${i}`, type: 'inference', name: i % 4 ? 'generate' : 'load weights', parent: null, started_ms: ago(i * 60), duration_s: 0.8 + (i % 7) / 5, success: i % 9 !== 0, error: i % 9 === 0 ? 'CUDA out of memory' : null, metadata: { model: 'chat' }, resources: null,
}))

function report() {
  const window = { start_ms: ago(3600), end_ms: Date.now() }
  const operations = OPERATIONS.filter((o) => !o.success).map(({ id, name, started_ms, duration_s, error }) => ({ id, name, started_ms, duration_s, error }))
  const found = { value: 0.125, threshold: 0.05, window, operations }
  const failures = { kind: 'failures', message: '12.5% of the operations fail', of: 40, ...found }
  return {
    window, total_operations: 40, failed_operations: 5, success_rate: 0.875, duration_s: null, operations_per_second: 0.01, by_type: [], by_name: [], resources: null, trends: [],
    bottlenecks: [failures, failures], recommendations: [{ because: 'failures', message: 'look at the memory of the GPU first', ...found }],
  }
}

function preview(request, state, { alerts, hides }) {
  const silence = { ...request.parsed, status: { state: 'active' } }
  const hidden = alerts(state).filter((a) => hides(silence, a.labels)).map(({ fingerprint, labels, annotations }) => ({ fingerprint, labels, annotations }))
  return { hidden, warning: null }
}

function approve(params, state) {
  state.approved = true
  state.repairs.unshift({ at_ms: Date.now(), target: params.get('target'), action: params.get('action'), step: 'start', by: params.get('by'), detail: '' })
  return ['start']
}

function note(params, state) {
  const written = { at_ms: Date.now(), by: params.get('by'), text: params.get('text'), model: params.get('model') }
  state.notes.unshift(written)
  return written
}

/** The answer to a path of these areas, or null. */
export function healthApi(path, params, request, state, alertsOf) {
  switch (path) {
    case '/api/v1/health': return tree(state)
    case '/api/v1/health/events': return state.options.models ? EVENTS : []
    case '/api/v1/health/repairs': return state.repairs
    case '/api/v1/health/repairs/approve': return approve(params, state)
    case '/api/v1/health/repairs/rehearse': return ['would_start']
    case '/api/v1/health/notes': return request.method === 'POST' ? note(params, state) : state.notes
    case '/api/v1/operations': return state.options.models ? OPERATIONS : []
    case '/api/v1/performance/report': return report()
    case '/api/v1/oncall': return [{ schedule: 'models', person: 'ana', receiver: 'ana-phone', until_ms: Date.now() + 7_200_000, next: 'bo' }]
    case '/api/v1/escalations': return [{ name: 'critical models', matchers: ['severity="critical"'], steps: [{ after_ms: 300_000, kind: 'schedule', name: 'models', person: 'ana', receiver: 'ana-phone', repeat: 1 }] }]
    case '/api/v1/silences/preview': return preview(request, state, alertsOf)
  }
  return null
}
