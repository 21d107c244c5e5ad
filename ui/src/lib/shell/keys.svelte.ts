// Keys of the whole page. A key does nothing while someone types, nor together with Ctrl, Alt or Meta.

import { prefs } from '../prefs.svelte'
import { router } from '../router.svelte'
import { zoomOut } from '../time/range'
import { view } from '../view.svelte'
import { PAGES } from './pages'

export const overlay = $state({ palette: false, help: false, time: false })

export const KEYS: { keys: string; what: string }[] = [
  { keys: 'Ctrl K', what: 'command palette' },
  { keys: '?', what: 'this sheet' },
  { keys: 'p', what: 'pause or go on' },
  { keys: 'r', what: 'refresh now' },
  { keys: 'c', what: 'choose the time range' },
  { keys: 'z', what: 'zoom out' },
  { keys: 'b', what: 'back to the range before' },
  { keys: '← →', what: 'move the cursor of a focused chart; Shift for ten steps' },
  { keys: '/', what: 'to the filter of the page' },
  { keys: 'D', what: 'light or dark' },
]

let pending = 0

function typing(target: EventTarget | null): boolean {
  const element = target as HTMLElement | null
  return !!element?.closest?.('input, textarea, select, [contenteditable="true"], [role="dialog"], [role="menu"]')
}

export function handleKeys(event: KeyboardEvent) {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
    event.preventDefault()
    overlay.palette = !overlay.palette
    return
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing(event.target)) return
  if (event.timeStamp < pending) {
    pending = 0
    const page = PAGES.find((p) => p.key === event.key)
    if (page) {
      event.preventDefault()
      router.go(page.path)
    }
    return
  }
  if (act(event)) event.preventDefault()
}

function act(event: KeyboardEvent): boolean {
  switch (event.key) {
    case 'g': pending = event.timeStamp + 1200; return true
    case '?': overlay.help = true; return true
    case 'p': view.togglePause(); return true
    case 'r': view.tick(); return true
    case 'c': overlay.time = true; return true
    case 'z': view.setRange(zoomOut(view.span, Date.now())); return true
    case 'b': view.goBack(); return true
    case 'D': prefs.setTheme(prefs.dark ? 'light' : 'dark'); return true
    case '/': {
      const filter = document.querySelector<HTMLElement>('main [data-filter]')
      filter?.focus()
      return filter !== null
    }
    default: return false
  }
}
