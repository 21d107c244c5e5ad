// Whether the server answers. A failed request starts a probe of one small endpoint; only when that fails too is the
// link called down. The probe goes on until it succeeds, so every page recovers by itself.

import { at } from '../base'
import type { FailureKind } from './client'

const PROBE_URL = '/api/v1/status/buildinfo'
const PROBE_TIMEOUT_MS = 5000
const RETRY_MS = [1000, 2000, 4000, 5000]

class Link {
  up = $state(true)
  reason = $state('')
  downSince = $state(0)
  lastOk = $state(0)
  /** Grows by one each time the link comes back, so that pages can ask again at once. */
  recovered = $state(0)
  inFlight = 0
  #probing = false

  begin() {
    this.inFlight += 1
  }

  end() {
    this.inFlight -= 1
  }

  succeeded() {
    this.lastOk = Date.now()
  }

  failed(kind: FailureKind, message: string) {
    if (kind === 'unreachable' || kind === 'timeout' || kind === 'server' || kind === 'broken') void this.#probe(message)
  }

  async #probe(message: string) {
    if (this.#probing) return
    this.#probing = true
    for (let round = 0; !(await answers()); round += 1) {
      if (this.up) {
        this.up = false
        this.downSince = Date.now()
      }
      this.reason = message
      const wait = RETRY_MS[Math.min(round, RETRY_MS.length - 1)]!
      await new Promise((done) => setTimeout(done, wait))
    }
    this.#probing = false
    this.lastOk = Date.now()
    if (!this.up) {
      this.up = true
      this.recovered += 1
    }
  }
}

async function answers(): Promise<boolean> {
  try {
    const reply = await fetch(at(PROBE_URL), { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS), cache: 'no-store' })
    if (!reply.ok) return false
    await reply.json()
    return true
  } catch {
    return false
  }
}

export const link = new Link()
