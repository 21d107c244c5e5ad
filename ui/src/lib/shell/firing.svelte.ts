// How many alerts fire, for the navigation. Asked once for the whole page and shared.

import { get } from '../api/client'
import { severityOf } from '../alerts'
import type { ActiveAlert } from '../api/types'
import { resource } from '../resource.svelte'
import { view } from '../view.svelte'

export function firing() {
  const active = resource((signal) => {
    void view.now
    return get<{ alerts: ActiveAlert[] }>('/api/v1/alerts', {}, signal)
  })
  const alerts = $derived((active.data?.data?.alerts ?? []).filter((alert) => alert.state === 'firing'))
  const tones = $derived(alerts.map((alert) => severityOf(alert.labels).tone))
  return {
    get total() {
      return alerts.length
    },
    get tone() {
      return tones.includes('crit') ? 'crit' : tones.includes('warn') ? 'warn' : 'info'
    },
  }
}
