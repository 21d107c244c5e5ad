import { expect, test } from 'vitest'
import { fileOf, toYaml } from './draft'

test('the rule is written with its query as it is, and hostile names quoted', () => {
  const yaml = toYaml({ name: 'a: "b"\n- c', expr: 'sum by (x) (\n  rate(y[5m])\n)', operator: '>', limit: 0.5, forMs: 300_000, severity: 'critical', summary: '' })
  expect(yaml).toContain('      - alert: "a: \\"b\\"\\n- c"\n')
  expect(yaml).toContain('        expr: |-\n          sum by (x) (\n            rate(y[5m])\n          ) > 0.5\n        for: 5m\n')
  expect(toYaml({ name: 'n', expr: 'up', operator: '==', limit: 0, forMs: 0, severity: 'info', summary: 'it {{ $value }}' })).not.toContain('for:')
})

test.each([
  ['up', 'up > 1'], ['sum by (x) (rate(y{a="b > c"}[5m]))', 'sum by (x) (rate(y{a="b > c"}[5m])) > 1'], ['a or b', '(a or b) > 1'], ['a / b', 'a / b > 1'], ['a > 2', '(a > 2) > 1'], ['sum(a or b)', '(sum(a or b)) > 1'],
])('the limit holds for the whole of %s', (expr, expected) => {
  expect(toYaml({ name: 'n', expr, operator: '>', limit: 1, forMs: 0, severity: 'info', summary: '' })).toContain(`expr: |-\n          ${expected}\n`)
})

test.each([['HighLatency', 'high-latency'], ['a b/../c', 'a-b-c'], ['Ä', ''], ['p95 > 3', 'p95-3']])('the file of %s', (name, expected) => expect(fileOf(name)).toBe(expected))
