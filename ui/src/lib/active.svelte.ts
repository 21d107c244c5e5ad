// Alerts that are pending or firing: asked once for the whole page, however many parts of it show them.

import { openAlerts, type OpenAlert } from './alertlist'
import { get } from './api/client'
import type { ActiveAlert, GettableAlert } from './api/types'
import { Resource } from './resource.svelte'
import { view } from './view.svelte'

let shared: Resource<OpenAlert[]> | undefined

/** What rules say and what others sent, and what notification keeps quiet of it; where that cannot be told, nothing is taken for quiet. */
async function asked(signal: AbortSignal): Promise<OpenAlert[]> {
  const [said, managed] = await Promise.all([
    get<{ alerts: ActiveAlert[] }>('/api/v1/alerts', {}, signal), get<GettableAlert[]>('/api/v2/alerts', {}, signal).catch(() => null),
  ])
  return openAlerts(said.data?.alerts ?? [], managed?.data ?? [])
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
