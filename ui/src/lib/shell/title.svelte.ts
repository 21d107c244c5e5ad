// What of a page is looked at: it stands first in the title of the browser's tab, so that several tabs are told apart.

import { clip } from '../labels'

const NAME_MAX = 60
let part = $state('')

/** The title of the tab, from what is looked at to where it belongs. */
export function tabTitle(page: string): string {
  return [...new Set([part, page, 'Lapwing'])].filter(Boolean).join(' · ')
}

/** Call inside a component's setup: names what it shows for as long as it does. */
export function entitle(name: () => string) {
  $effect(() => {
    part = clip(name(), NAME_MAX)
    return () => (part = '')
  })
}
