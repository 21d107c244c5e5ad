import { expect, test } from 'vitest'
import { episodes, toYaml, type Operator } from './draft'

const line = (values: (number | null)[]) => ({
  times: values.flatMap((v, i) => (v === null ? [] : [i * 60])), values: values.filter((v) => v !== null) as number[],
})
const run = (values: (number | null)[], operator: Operator, limit: number, minutes: number) =>
  episodes(line(values), { operator, limit, forMs: minutes * 60_000 }, 60_000).map((e) => [e.start / 60_000, e.end / 60_000])

test.each([
  [[0, 5, 5, 0], '>', 3, 0, [[1, 2]]],
  [[0, 5, 5, 5, 0], '>', 3, 2, [[3, 3]]],
  [[5, 0, 5, 0, 5], '>', 3, 1, []],
  [[5, 5, null, 5, 5], '>', 3, 1, [[1, 1], [4, 4]]],
  [[5, 5, null, 5, 5], '>', 3, 2, []],
  [[NaN, NaN], '>', 3, 0, []],
  [[1, 1], '<=', 1, 0, [[0, 1]]],
  [[], '>', 3, 0, []],
] as const)('episodes of %j %s %s for %s min', (values, operator, limit, minutes, expected) => {
  expect(run([...values], operator, limit, minutes)).toEqual(expected)
})

test('the rule is written with its query as it is, and hostile names quoted', () => {
  const yaml = toYaml({ name: 'a: "b"\n- c', expr: 'sum by (x) (\n  rate(y[5m])\n)', operator: '>', limit: 0.5, forMs: 300_000, severity: 'critical' })
  expect(yaml).toContain('      - alert: "a: \\"b\\"\\n- c"\n')
  expect(yaml).toContain('        expr: |-\n          sum by (x) (\n            rate(y[5m])\n          ) > 0.5\n        for: 5m\n')
  expect(toYaml({ name: 'n', expr: 'up', operator: '==', limit: 0, forMs: 0, severity: 'info' })).not.toContain('for:')
})
