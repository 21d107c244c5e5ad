// The pages, in the order of the navigation. A page loads its code when it is first shown; the one that people open first comes
// with the frame, so that nothing has to be fetched one after another.

import type { Component } from 'svelte'
import Overview from '../../pages/Overview.svelte'
import type { IconName } from '../../ui/Icon.svelte'

export type Page = {
  id: string
  path: string
  title: string
  icon: IconName
  key: string
  hint: string
  load: () => Promise<{ default: Component }>
}

export const PAGES: Page[] = [
  { id: 'overview', path: '/', title: 'Overview', icon: 'overview', key: 'o', hint: 'models, hosts, GPUs, Lapwing itself', load: () => Promise.resolve({ default: Overview }) },
  { id: 'alerts', path: '/alerts', title: 'Alerts', icon: 'alerts', key: 'a', hint: 'what fires, silences', load: () => import('../../pages/Alerts.svelte') },
  { id: 'health', path: '/health', title: 'Health', icon: 'health', key: 'h', hint: 'models, checks, targets over time; status page, badges', load: () => import('../../pages/Health.svelte') },
  { id: 'explore', path: '/explore', title: 'Explore', icon: 'explore', key: 'e', hint: 'ask in PromQL, browse metrics', load: () => import('../../pages/Explore.svelte') },
  { id: 'dashboards', path: '/dashboards', title: 'Dashboards', icon: 'dashboards', key: 'd', hint: 'hosts, model servers, GPUs', load: () => import('../../pages/Dashboards.svelte') },
  { id: 'rules', path: '/rules', title: 'Rules', icon: 'rules', key: 'r', hint: 'alerting and recording rules', load: () => import('../../pages/Rules.svelte') },
  { id: 'targets', path: '/targets', title: 'Targets', icon: 'targets', key: 't', hint: 'what is scraped', load: () => import('../../pages/Targets.svelte') },
  { id: 'system', path: '/system', title: 'System', icon: 'system', key: 's', hint: 'status, cardinality, config', load: () => import('../../pages/System.svelte') },
]

const MODEL: Page = {
  id: 'models', path: '/models', title: 'Model', icon: 'overview', key: '', hint: '', load: () => import('../../pages/Model.svelte'),
}

/** The title of an address where no page is. */
export const NOWHERE = 'No such page'

/** What a person under pressure opens next is fetched while nothing else is to do; not where bytes are to be saved. */
export function fetchAhead() {
  const saves = (navigator as { connection?: { saveData?: boolean } }).connection?.saveData === true
  const ahead = PAGES.filter((page) => page.id === 'alerts' || page.id === 'health').concat(MODEL)
  if (!saves) setTimeout(() => ahead.forEach((page) => void page.load().catch(() => undefined)), AHEAD_AFTER_MS)
}
const AHEAD_AFTER_MS = 1200

/** The page of a path; null when there is none. */
export function pageOf(parts: string[]): Page | null {
  const head = parts[0]
  if (head === undefined) return PAGES[0]!
  if (head === 'models' && parts.length > 1) return MODEL
  if (head === 'models') return PAGES[0]!
  return PAGES.find((page) => page.id === head) ?? null
}
