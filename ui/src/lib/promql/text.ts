// What the pages must know about a PromQL text without parsing it: where its parts lie outside of strings and brackets.

const COMPARISONS = ['>=', '<=', '==', '!=', '>', '<']

export type Threshold = { left: string; operator: string; value: number }

/** Calls `visit` for every position outside of strings, brackets and comments; stops when it returns true. */
function outside(query: string, visit: (at: number) => boolean) {
  let depth = 0
  for (let at = 0; at < query.length; at += 1) {
    const char = query[at]!
    if (char === '"' || char === "'" || char === '`') {
      at = endOfString(query, at)
    } else if (char === '#') {
      const end = query.indexOf('\n', at)
      at = end < 0 ? query.length : end
    } else if ('([{'.includes(char)) depth += 1
    else if (')]}'.includes(char)) depth -= 1
    else if (depth === 0 && visit(at)) return
  }
}

function endOfString(query: string, from: number): number {
  const mark = query[from]
  for (let at = from + 1; at < query.length; at += 1) {
    if (query[at] === '\\' && mark !== '`') at += 1
    else if (query[at] === mark) return at
  }
  return query.length
}

/** Splits `expr > 0.9` into what is measured and the limit; null when the query is not of that shape. */
export function threshold(query: string): Threshold | null {
  const found: { at: number; operator: string }[] = []
  let words = false
  outside(query, (at) => {
    if (/\b(and|or|unless)\b/iy.test(query.slice(at, at + 7)) && !/\w/.test(query[at - 1] ?? ' ')) words = true
    const operator = COMPARISONS.find((op) => query.startsWith(op, at))
    if (operator && !COMPARISONS.includes(query.slice(at - 1, at + 1))) found.push({ at, operator })
    return false
  })
  if (words || found.length !== 1) return null
  const { at, operator } = found[0]!
  const right = query.slice(at + operator.length).replace(/^\s*bool\b/, '').trim()
  if (!/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(right)) return null
  return { left: query.slice(0, at).trim(), operator, value: Number(right) }
}

/** Names of metrics that a query mentions, in order and once each; words that are functions or keywords are not names. */
export function metricNames(query: string): string[] {
  const bare = query.replace(/"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`/g, '""').replace(/\{[^}]*\}|\[[^\]]*\]/g, ' ')
  const grouped = bare.replace(/\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, ' ')
  const names = [...grouped.matchAll(/(?<![\w:.])([a-zA-Z_:][\w:]*)(?!\s*\()(?![\w:])/g)].map((match) => match[1]!)
  return [...new Set(names.filter((name) => !KEYWORDS.has(name.toLowerCase())))]
}

const KEYWORDS = new Set([
  'by', 'without', 'on', 'ignoring', 'group_left', 'group_right', 'and', 'or', 'unless', 'bool', 'offset', 'inf', 'nan',
  'start', 'end', 'atan2', 'sum', 'avg', 'min', 'max', 'count', 'topk', 'bottomk', 'quantile', 'stddev', 'stdvar', 'group', 'count_values',
])
