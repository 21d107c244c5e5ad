// The address holds the whole view. Paths are history-style; the time range and the refresh travel from page to page.

import { BASE, at, within } from './base'

const KEPT = ['from', 'to', 'refresh']

type Changes = Record<string, string | string[] | null>

class Router {
  path = $state(within(location.pathname))
  query = $state.raw(new URLSearchParams(location.search))

  constructor() {
    addEventListener('popstate', () => this.#read())
    document.addEventListener('click', (event) => this.#follow(event))
    // Links name pages; before one is followed elsewhere, copied or opened in another tab it gets the path in front.
    for (const kind of ['pointerdown', 'focusin', 'contextmenu']) document.addEventListener(kind, (event) => complete(event.target), true)
  }

  /** Parts of the path, decoded: `/models/chat` is `['models', 'chat']`. */
  parts = $derived(this.path.split('/').filter(Boolean).map(decode))

  get(name: string): string | null {
    return this.query.get(name)
  }

  all(name: string): string[] {
    return this.query.getAll(name)
  }

  go(href: string, replace = false) {
    const url = new URL(at(href), location.origin)
    for (const name of KEPT) {
      const value = this.query.get(name)
      if (value !== null && !url.searchParams.has(name)) url.searchParams.set(name, value)
    }
    const samePage = within(url.pathname) === this.path
    this.#write(url, replace)
    if (!samePage) scrollTo(0, 0)
  }

  /** Changes parameters of this page; null removes one. */
  set(changes: Changes, replace = false) {
    const url = new URL(location.href)
    for (const [name, value] of Object.entries(changes)) {
      url.searchParams.delete(name)
      for (const one of value === null ? [] : Array.isArray(value) ? value : [value]) url.searchParams.append(name, one)
    }
    if (url.href !== location.href) this.#write(url, replace)
  }

  #write(url: URL, replace: boolean) {
    history[replace ? 'replaceState' : 'pushState'](null, '', url)
    this.#read()
  }

  #read() {
    this.path = within(location.pathname)
    this.query = new URLSearchParams(location.search)
  }

  #follow(event: MouseEvent) {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    const anchor = (event.target as Element | null)?.closest?.('a')
    if (!anchor || anchor.target || anchor.hasAttribute('download')) return
    complete(anchor)
    const url = new URL(anchor.href, location.href)
    const path = within(url.pathname)
    if (url.origin !== location.origin || /^\/(api|-|metrics|assets|plain|status|badge)(\/|$)/.test(path)) return
    if (url.hash && url.pathname === location.pathname) return
    event.preventDefault()
    this.go(path + url.search)
  }
}

function complete(target: EventTarget | null) {
  const anchor = BASE === '' ? null : (target as Element | null)?.closest?.('a[href^="/"]')
  const href = anchor?.getAttribute('href')
  if (anchor && href && within(href) === href) anchor.setAttribute('href', at(href))
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

export const router = new Router()
