// An alert that somebody thinks of making, and how it is written down. Whether it would have fired is for the server to say. Pure.

export const OPERATORS = ['>', '>=', '<', '<=', '==', '!='] as const
export type Operator = (typeof OPERATORS)[number]
export type Draft = { name: string; expr: string; operator: Operator; limit: number; forMs: number; severity: string; summary: string }
function duration(ms: number): string {
  const units: [string, number][] = [['d', 86_400_000], ['h', 3_600_000], ['m', 60_000], ['s', 1000]]
  const unit = units.find(([, size]) => ms >= size && ms % size === 0) ?? ['ms', 1]
  return `${ms / unit[1]}${unit[0]}`
}

/** In brackets where an operator inside binds weaker than a comparison; what stands in texts and selectors is none. */
function whole(expr: string): string {
  const bare = expr.replace(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\{[^}]*\}/g, '')
  return /\b(?:and|or|unless)\b|[<>=]/i.test(bare) ? `(${expr})` : expr
}

/** The rule as a Prometheus rule file; texts from outside are quoted as JSON, which YAML reads as it is. */
export function toYaml(draft: Draft): string {
  const expr = `${whole(draft.expr.trim())} ${draft.operator} ${draft.limit}`
  return [
    'groups:', `  - name: ${JSON.stringify(draft.name)}`, '    rules:', `      - alert: ${JSON.stringify(draft.name)}`, '        expr: |-',
    ...expr.split('\n').map((text) => `          ${text.trimEnd()}`),
    ...(draft.forMs > 0 ? [`        for: ${duration(draft.forMs)}`] : []),
    '        labels:', `          severity: ${JSON.stringify(draft.severity)}`, '        annotations:', `          summary: ${JSON.stringify(draft.summary.trim() || `${draft.name}: the value is {{ $value }}`)}`, '',
  ].join('\n')
}

/** The name of the file that keeps it: letters, digits, `-` and `_` of the alert's name. */
export function fileOf(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, '$1-$2').replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^-+|-+$/g, '').toLowerCase().slice(0, 80)
}
