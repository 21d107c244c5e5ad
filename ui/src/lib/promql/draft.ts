// An alert that somebody thinks of making: when it would have fired, and how it is written down. Pure.

export const OPERATORS = ['>', '>=', '<', '<=', '==', '!='] as const
export type Operator = (typeof OPERATORS)[number]
export type Draft = { name: string; expr: string; operator: Operator; limit: number; forMs: number; severity: string }
export type Episode = { start: number; end: number }

const TESTS: Record<Operator, (value: number, limit: number) => boolean> = {
  '>': (v, l) => v > l, '>=': (v, l) => v >= l, '<': (v, l) => v < l, '<=': (v, l) => v <= l, '==': (v, l) => v === l, '!=': (v, l) => v !== l,
}

/**
 * Times in epoch milliseconds in which the alert would have fired on one series: the condition has to hold at every
 * point for `forMs`, and a missing point ends it, as it does in a rule.
 */
export function episodes(line: { times: number[]; values: number[] }, draft: Pick<Draft, 'operator' | 'limit' | 'forMs'>, stepMs: number): Episode[] {
  const test = TESTS[draft.operator]
  const found: Episode[] = []
  let since: number | null = null
  let last = 0
  let open: Episode | null = null
  line.times.forEach((seconds, i) => {
    const time = seconds * 1000
    if (since !== null && time - last > stepMs * 1.5) since = open = null
    last = time
    if (!test(line.values[i]!, draft.limit)) {
      since = open = null
      return
    }
    since ??= time
    if (open) open.end = time
    else if (time - since >= draft.forMs) found.push((open = { start: time, end: time }))
  })
  return found
}

function duration(ms: number): string {
  const units: [string, number][] = [['d', 86_400_000], ['h', 3_600_000], ['m', 60_000], ['s', 1000]]
  const unit = units.find(([, size]) => ms >= size && ms % size === 0) ?? ['ms', 1]
  return `${ms / unit[1]}${unit[0]}`
}

/** The rule as a Prometheus rule file; texts from outside are quoted as JSON, which YAML reads as it is. */
export function toYaml(draft: Draft): string {
  const expr = `${draft.expr.trim()} ${draft.operator} ${draft.limit}`
  return [
    'groups:', '  - name: from-explore', '    rules:', `      - alert: ${JSON.stringify(draft.name)}`, '        expr: |-',
    ...expr.split('\n').map((text) => `          ${text.trimEnd()}`),
    ...(draft.forMs > 0 ? [`        for: ${duration(draft.forMs)}`] : []),
    '        labels:', `          severity: ${JSON.stringify(draft.severity)}`, '        annotations:', `          summary: ${JSON.stringify(`${draft.name} on {{ $labels.instance }}: {{ $value }}`)}`, '',
  ].join('\n')
}
