// Data that follows its inputs: asked again when what the loader read changes, when the clock ticks and when the link
// comes back. Old data stays on the page while new data is on its way and when asking fails.

import { ApiError } from './api/client'
import { link } from './api/link.svelte'

export class Resource<T> {
  data = $state.raw<T | undefined>(undefined)
  error = $state.raw<ApiError | null>(null)
  loading = $state(true)
  /** When `data` arrived, epoch milliseconds. */
  at = $state(0)
  #again = $state(0)

  constructor(load: (signal: AbortSignal) => Promise<T> | null) {
    $effect(() => {
      void link.recovered
      void this.#again
      const stop = new AbortController()
      const pending = load(stop.signal)
      if (pending) this.#take(pending, stop.signal)
      else this.loading = false
      return () => stop.abort()
    })
  }

  reload() {
    this.#again += 1
  }

  #take(pending: Promise<T>, signal: AbortSignal) {
    this.loading = true
    pending.then(
      (data) => {
        if (signal.aborted) return
        this.data = data
        this.error = null
        this.at = Date.now()
        this.loading = false
      },
      (error: unknown) => {
        if (signal.aborted) return
        this.error = error instanceof ApiError ? error : new ApiError('broken', 0, String(error))
        this.loading = false
      },
    )
  }
}

/** Call inside a component's setup. The loader's synchronous part names its inputs by reading them. */
export function resource<T>(load: (signal: AbortSignal) => Promise<T> | null): Resource<T> {
  return new Resource(load)
}
