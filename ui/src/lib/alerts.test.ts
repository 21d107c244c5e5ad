import { expect, test } from 'vitest'
import { exactMatchers, matcherText, matches, parseFilter, passes, severityOf } from './alerts'
import { merge, openAlerts } from './alertlist'

const CHAT = { alertname: 'HighLatency', severity: 'critical', model: 'chat' }

test.each([
  ['', true], ['severity=critical', true], ['severity=warning', false], ['severity!=warning', true], ['model=~ch.*', true], ['model=~"ch"', false], ['model!~"e.*"', true],
  ['latency', true], ['LATENCY chat', true], ['latency nothing', false], ['slow', true], ['team=""', true], ['severity=critical, model=chat', true],
])('the filter %s', (text, expected) => expect(passes(CHAT, 'chat is slow', parseFilter(text))).toBe(expected))

test('a broken regular expression is said and matches nothing', () => {
  const filter = parseFilter('model=~"["')
  expect(filter.error).toContain('regular expression')
  expect(passes(CHAT, '', filter)).toBe(false)
})

test('a matcher for hostile labels survives being written and read', () => {
  const labels = { text: '<img src=x onerror="1"> \\ \n', plain: 'a b, c', 'k8s/app-"name"': 'x' }
  const text = exactMatchers(labels).map(matcherText).join(' ')
  const { matchers, words } = parseFilter(text)
  expect(words).toEqual([])
  expect(matchers).toEqual(exactMatchers(labels))
  expect(matchers.every((m) => matches(labels, m))).toBe(true)
})

test('severities nobody knows stand between warning and info', () => {
  const ranks = ['critical', 'warning', 'purple', 'info'].map((severity) => severityOf({ severity }).rank)
  expect(ranks).toEqual([...ranks].sort((a, b) => a - b))
  expect(severityOf({}).name).toBe('no severity')
  expect(severityOf({ severity: 'CRITICAL' }).tone).toBe('crit')
})

test('both APIs become one list, worst first, silenced last', () => {
  const alert = (name: string, severity: string, state: 'firing' | 'pending') => ({ labels: { alertname: name, severity }, annotations: {}, state, activeAt: '2026-11-21T02:00:00Z', value: '1' })
  const managed = (name: string, severity: string, silencedBy: string[]) => ({
    fingerprint: name, labels: { severity, alertname: name }, annotations: {}, startsAt: '2026-11-21T02:00:00Z', endsAt: '', updatedAt: '', receivers: [{ name: 'team' }],
    status: { state: 'active' as const, silencedBy, inhibitedBy: [], mutedBy: [] },
  })
  const list = merge(
    [alert('w', 'warning', 'firing'), alert('c', 'critical', 'firing'), alert('p', 'critical', 'pending'), alert('s', 'critical', 'firing')],
    [managed('s', 'critical', ['id']), managed('other', 'info', [])],
  )
  expect(list.map((e) => [e.labels.alertname, e.state])).toEqual([['c', 'firing'], ['w', 'firing'], ['other', 'firing'], ['p', 'pending'], ['s', 'silenced']])
})

test('alerts that others sent are open like those of the rules here, each once', () => {
  const labels = { alertname: 'Slow', model: 'chat' }
  const sent = (alertname: string, state: 'active' | 'suppressed') => ({
    fingerprint: alertname, labels: { model: 'chat', alertname }, annotations: { summary: 'x' }, startsAt: '2026-11-21T02:00:00Z', endsAt: '', updatedAt: '', receivers: [],
    status: { state, silencedBy: [], inhibitedBy: [], mutedBy: [] },
  })
  const all = openAlerts([{ labels, annotations: {}, state: 'pending', value: '3' }], [sent('Slow', 'active'), sent('Remote', 'active'), sent('Hushed', 'suppressed')])
  expect(all.map((a) => [a.labels.alertname, a.state, a.quiet, a.sent ?? false])).toEqual([
    ['Slow', 'pending', false, false], ['Remote', 'firing', false, true], ['Hushed', 'firing', true, true],
  ])
  expect(merge(all, []).find((e) => e.labels.alertname === 'Remote')).toMatchObject({ value: null, sinceMs: Date.parse('2026-11-21T02:00:00Z') })
})
