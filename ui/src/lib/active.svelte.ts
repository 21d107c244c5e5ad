// Alerts that are pending or firing: asked once for the whole page, however many parts of it show them.

import { get } from './api/client'
import type { ActiveAlert } from './api/types'
import { Resource } from './resource.svelte'
import { view } from './view.svelte'

let shared: Resource<ActiveAlert[]> | undefined

/** Lives as long as the page does. */
export function activeAlerts(): Resource<ActiveAlert[]> {
  if (!shared) {
    $effect.root(() => {
      shared = new Resource((signal) => {
        void view.now
        return get<{ alerts: ActiveAlert[] }>('/api/v1/alerts', {}, signal).then((reply) => reply.data?.alerts ?? [])
      })
    })
  }
  return shared!
}
