// Alerts that are pending or firing: asked once for the whole page, however many parts of it show them.

import { get } from './api/client'
import type { ActiveAlert, GettableAlert } from './api/types'
import { keyOf } from './labels'
import { Resource } from './resource.svelte'
import { view } from './view.svelte'

/** `quiet`: a silence or another alert keeps it from anybody's ears. */
export type OpenAlert = ActiveAlert & { quiet: boolean }

let shared: Resource<OpenAlert[]> | undefined

/** What rules say, and what notification keeps quiet of it; where that cannot be told, nothing is taken for quiet. */
async function asked(signal: AbortSignal): Promise<OpenAlert[]> {
  const [said, hidden] = await Promise.all([
    get<{ alerts: ActiveAlert[] }>('/api/v1/alerts', {}, signal), get<GettableAlert[]>('/api/v2/alerts', { active: 'false' }, signal).catch(() => null),
  ])
  const quiet = new Set((hidden?.data ?? []).filter((alert) => alert.status.state === 'suppressed').map((alert) => keyOf(alert.labels)))
  return (said.data?.alerts ?? []).map((alert) => ({ ...alert, quiet: quiet.has(keyOf(alert.labels)) }))
}

/** Lives as long as the page does. */
export function activeAlerts(): Resource<OpenAlert[]> {
  if (!shared) {
    $effect.root(() => {
      shared = new Resource((signal) => {
        void view.now
        return asked(signal)
      })
    })
  }
  return shared!
}
