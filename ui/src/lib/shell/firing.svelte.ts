// How many alerts fire, for the navigation.

import { activeAlerts } from '../active.svelte'
import { severityOf } from '../alerts'

export function firing() {
  const active = activeAlerts()
  const alerts = $derived((active.data ?? []).filter((alert) => alert.state === 'firing'))
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
