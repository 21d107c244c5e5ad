// Links into Alertmanager's own pages, which stand behind a `#`: pages, receivers' templates and runbooks hold many of them. Pure.

const PAGES: [RegExp, string][] = [[/^silences(\/|$)/, 'alerts/silences'], [/^status$/, 'system'], [/^alerts$/, 'alerts']]

/** `#/alerts?filter={severity="page"}` as a path with its query; null where the hash is none of these links. */
export function pathOfHash(hash: string): string | null {
  if (!hash.startsWith('#/')) return null
  const [raw = '', search = ''] = hash.slice(1).split('?', 2)
  const path = raw.replace(/^\/+|\/+$/g, '')
  const query = new URLSearchParams(search)
  // Alertmanager writes its matchers in braces.
  const filter = query.get('filter')?.replace(/^\s*\{|\}\s*$/g, '')
  if (filter !== undefined) query.set('filter', filter)
  const page = PAGES.find(([pattern]) => pattern.test(path))?.[1] ?? path
  return `/${page}${query.size ? `?${query}` : ''}`
}
