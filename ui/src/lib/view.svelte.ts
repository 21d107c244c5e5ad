// The time that the page shows. `view.now` moves with the refresh; everything that asks the server depends on it.

import { link } from './api/link.svelte'
import { prefs } from './prefs.svelte'
import { router } from './router.svelte'
import { DEFAULT_RANGE, align, isLive, isReadable, rateWindow, resolve, stamp, stepSeconds, type Range } from './time/range'

export const REFRESHES: { label: string; value: string; ms: number }[] = [
  { label: 'paused', value: 'off', ms: 0 },
  { label: '5 s', value: '5s', ms: 5000 },
  { label: '15 s', value: '15s', ms: 15_000 },
  { label: '30 s', value: '30s', ms: 30_000 },
  { label: '1 min', value: '1m', ms: 60_000 },
  { label: '5 min', value: '5m', ms: 300_000 },
]
export const DEFAULT_REFRESH = '15s'
const BACK_MAX = 30

class View {
  now = $state(Date.now())
  // Texts, so that another change of the address does not look like another range and ask everything again.
  #from = $derived(router.get('from') ?? DEFAULT_RANGE.from)
  #to = $derived(router.get('to') ?? DEFAULT_RANGE.to)
  #readable = $derived(isReadable({ from: this.#from, to: this.#to }, this.now, prefs.zone))
  /** What cannot be read is the default, under its own name. */
  range = $derived<Range>(this.#readable ? { from: this.#from, to: this.#to } : DEFAULT_RANGE)
  refresh = $derived(router.get('refresh') ?? DEFAULT_REFRESH)
  refreshMs = $derived(REFRESHES.find((r) => r.value === this.refresh)?.ms ?? 15_000)
  paused = $derived(this.refreshMs === 0)
  live = $derived(isLive(this.range))
  #raw = $derived(resolve(this.range, this.now, prefs.zone))
  step = $derived(stepSeconds(this.#raw))
  span = $derived(align(this.#raw, this.step))
  window = $derived(rateWindow(this.step))
  /** All that a question about this moment and this range needs. */
  asked = $derived({ now: this.live ? this.now : this.span.end, span: this.span, step: this.step, window: this.window })
  /** Ranges to go back to after zooming. */
  back = $state.raw<Range[]>([])

  setRange(range: Range) {
    this.back = [...this.back, this.range].slice(-BACK_MAX)
    this.#write(range)
    this.tick()
  }

  /** Zoom to a brushed piece of a chart; shorter than one second is a slip of the hand. */
  zoom(start: number, end: number) {
    if (end - start >= 1000) this.setRange({ from: stamp(start), to: stamp(end) })
  }

  goBack() {
    const last = this.back.at(-1)
    if (!last) return
    this.back = this.back.slice(0, -1)
    this.#write(last)
    this.tick()
  }

  setRefresh(value: string) {
    router.set({ refresh: value === DEFAULT_REFRESH ? null : value }, true)
  }

  togglePause() {
    this.setRefresh(this.paused ? DEFAULT_REFRESH : 'off')
    if (!this.paused) this.tick()
  }

  tick() {
    this.now = Date.now()
  }

  #write(range: Range) {
    const initial = range.from === DEFAULT_RANGE.from && range.to === DEFAULT_RANGE.to
    router.set({ from: initial ? null : range.from, to: initial ? null : range.to })
  }

  /** Runs for the life of the page. A tick waits while requests are under way, so a slow server is not piled upon. */
  start() {
    setInterval(() => {
      const due = Date.now() - this.now >= this.refreshMs - 50
      if (this.refreshMs && due && this.live && !document.hidden && link.inFlight === 0 && link.up) this.tick()
    }, 500)
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden && this.refreshMs && Date.now() - this.now > this.refreshMs) this.tick()
    })
  }
}

export const view = new View()
