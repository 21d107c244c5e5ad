// Where the server stands: the path in front of all of its addresses, as it says in its page; nothing where it is the root.

const meta = typeof document === 'undefined' ? null : document.querySelector<HTMLMetaElement>('meta[name="base"]')

export const BASE = meta?.content ?? ''

/** An address of this server as the browser has to ask for it. */
export function at(path: string, base = BASE): string {
  return path.startsWith('/') && !path.startsWith('//') ? base + path : path
}

/** A path of the browser as the pages know it. */
export function within(path: string, base = BASE): string {
  if (path === base) return '/'
  return base !== '' && path.startsWith(`${base}/`) ? path.slice(base.length) : path
}
