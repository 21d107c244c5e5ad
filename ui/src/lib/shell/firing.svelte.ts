// How many alerts fire and are not kept quiet, for the navigation.

import { activeAlerts } from '../active.svelte'
import { severityOf } from '../alerts'

export function firing() {
  const active = activeAlerts()
  const alerts = $derived((active.data ?? []).filter((alert) => alert.state === 'firing' && !alert.quiet))
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
