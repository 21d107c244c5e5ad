// What the server says by itself: something changed, so the page asks again at once instead of at the next tick.
// A server without events answers 404; then the pages go on asking by the clock.

import { link } from './api/link.svelte'
import { at } from './base'
import { view } from './view.svelte'

/** A storm of alerts changes something every second; the pages need not follow faster than this. */
const QUIET_MS = 1000
const AGAIN_MS = 5000
/** How soon it is looked again whether all is answered. */
const BUSY_MS = 200
/** A browser has few connections, and the stream takes one for good: what the page asks first goes first. */
const AFTER_MS = 700

class Live {
  connected = $state(false)
  #source: EventSource | null = null
  #started = $state(false)
  #last = 0
  #due: ReturnType<typeof setTimeout> | undefined

  /** Runs for the life of the page; listens only while the page is looked at and not paused. */
  start() {
    setTimeout(() => (this.#started = true), AFTER_MS)
    $effect.root(() => {
      $effect(() => {
        void link.recovered
        if (!this.#started || view.paused || !view.live || !link.up) return this.#close()
        this.#open()
      })
    })
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) this.#close()
      else if (this.#started && !view.paused && view.live && link.up) this.#open()
    })
    addEventListener('pagehide', () => this.#close())
  }

  #open() {
    if (this.#source || document.hidden) return
    const source = new EventSource(at('/api/v1/events'))
    this.#source = source
    source.addEventListener('hello', () => (this.connected = true))
    source.addEventListener('changed', () => this.#changed())
    source.onerror = () => {
      // The browser tries again by itself where the stream broke, but not where it was refused.
      this.connected = false
      // A stream that breaks is the first sign of a server that went away, long before the next tick.
      link.failed('unreachable', 'the server does not answer')
      if (source.readyState !== EventSource.CLOSED) return
      this.#close()
      setTimeout(() => { if (!view.paused && view.live && link.up) this.#open() }, AGAIN_MS * 6)
    }
  }

  #close() {
    this.#source?.close()
    this.#source = null
    this.connected = false
  }

  #changed() {
    clearTimeout(this.#due)
    const wait = link.inFlight > 0 ? BUSY_MS : Math.max(0, this.#last + QUIET_MS - Date.now())
    this.#due = setTimeout(() => {
      if (view.paused || !view.live) return
      // What is being asked may have been read before the change: it is asked again when that is done.
      if (link.inFlight > 0) return this.#changed()
      this.#last = Date.now()
      view.tick()
    }, wait)
  }
}

export const live = new Live()
