import { expect, test } from 'vitest'
import { available, factQuery } from './facts'
import { judge, seenOf, worstFirst } from './rank'
import { snippets } from './snippets'

test('only metrics that exist are asked for', () => {
  expect(factQuery(available({ model: [], model_name: [] }), 'traffic', '60s')).toBeNull()
  const sources = available({ model: [], model_name: ['vllm:request_success_total'] })
  expect(factQuery(sources, 'traffic', '60s')).toBe(
    'max by (model) (label_replace(sum by (model_name) (rate(vllm:request_success_total{model_name!=""}[60s])), "model", "$1", "model_name", "(.*)"))',
  )
  expect(factQuery(sources, 'p95', '60s')).toBeNull()
})

test('a model of another server is joined with or', () => {
  const sources = available({ model: ['model_requests_total'], model_name: ['vllm:request_success_total'] })
  expect(factQuery(sources, 'traffic', '60s')!.split('\nor ')).toHaveLength(2)
})

test('metrics are guessed by how people name them', () => {
  const known = { model: ['my_requests_total', 'my_errors_total', 'my_request_duration_seconds_bucket', 'other'], model_name: [] }
  expect(available(known).map((s) => s.fact)).toEqual(['traffic', 'errors', 'p95'])
  expect(factQuery(available(known), 'errors', '60s', 'a"b')).toContain('{model="a\\"b"}')
})

test('a label that says that a request failed narrows the selector', () => {
  const query = factQuery(available({ model: [], model_name: ['vllm:request_success_total'] }), 'errors', '60s', 'chat')
  expect(query).toContain('{model_name="chat", finished_reason=~"abort|error"}')
})

const alert = (severity: string, state: 'firing' | 'pending' = 'firing') => ({ labels: { alertname: 'A', severity, model: 'm' }, annotations: {}, state, value: '1' })

test.each([
  [[], {}, true, 'ok'], [[alert('critical')], {}, true, 'critical'], [[alert('warning')], {}, true, 'warning'], [[alert('warning', 'pending')], {}, true, 'pending'],
  [[], {}, false, 'silent'], [[], { waiting: 3, running: 0 }, true, 'stuck'], [[alert('info')], {}, true, 'info'], [[alert('info')], {}, false, 'silent'],
  [[], {}, 'asking', '…'], [[], {}, 'failed', 'unknown'], [[alert('critical')], {}, 'failed', 'critical'],
  [[], { health: 3 }, true, 'critical'], [[], { health: 2 }, true, 'unhealthy'], [[], { health: 1 }, true, 'degraded'], [[], { health: 0 }, true, 'ok'], [[], { health: -1 }, true, 'ok'],
  [[alert('warning')], { health: 3 }, true, 'critical'], [[alert('info')], { health: 1 }, true, 'degraded'], [[alert('warning')], { health: 1 }, true, 'warning'],
] as const)('the state of a model', (alerts, facts, seen, word) => expect(judge('m', facts, [...alerts], seen).word).toBe(word))

test('a model that its checks find critical stands with the worst', () => {
  const rows = [judge('a', { errors: 0.5 }, [], true), judge('b', { health: 3 }, [], true), judge('c', {}, [], false)].sort(worstFirst)
  expect(rows.map((r) => [r.name, r.tone])).toEqual([['b', 'crit'], ['c', 'warn'], ['a', 'ok']])
})

test('nothing is fine before alerts and figures are there', () => {
  expect([seenOf(true, [], false), seenOf(false, [], true), seenOf(undefined, [], false), seenOf(true, undefined, false), seenOf(undefined, [], true), seenOf(true, undefined, true)])
    .toEqual([true, false, 'asking', 'asking', 'failed', 'failed'])
})

test('the alerts of a model stand worst first, those that fire before those that wait', () => {
  const mixed = [alert('critical', 'pending'), alert('warning'), alert('critical')]
  expect(judge('m', {}, mixed, true).alerts.map((a) => `${a.labels.severity} ${a.state}`)).toEqual(['critical firing', 'warning firing', 'critical pending'])
})

test('alerts of others do not count, and the worst stands first', () => {
  expect(judge('other', {}, [alert('critical')], true).word).toBe('ok')
  const rows = [judge('a', { errors: 0 }, [], true), judge('b', { errors: 0.2 }, [], true), judge('m', {}, [alert('critical')], true), judge('c', {}, [], false)]
  expect(rows.sort(worstFirst).map((r) => r.name)).toEqual(['m', 'c', 'b', 'a'])
})

test('every snippet names the address of the page', () => {
  for (const snippet of snippets('https://lapwing.example:9595')) {
    if (snippet.id !== 'scrape') expect(snippet.text).toContain('lapwing.example:9595')
  }
})

test('cost and GPU are known where a series of the model tells them, and else not asked for', () => {
  const found = available({ model: ['litellm_spend_metric_total', 'model_gpu_utilization_ratio'], model_name: [] })
  expect(factQuery(found, 'cost', '5m', 'chat')).toBe('max by (model) (3600 * sum by (model) (rate(litellm_spend_metric_total{model="chat"}[5m])))')
  expect(factQuery(found, 'gpu', '5m')).toContain('model_gpu_utilization_ratio')
  expect(factQuery(available({ model: [], model_name: [] }), 'cost', '5m')).toBe(null)
})
