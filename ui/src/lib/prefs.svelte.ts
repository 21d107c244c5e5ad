// What belongs to the person and not to the view: theme, density, time zone, history. Kept in the browser only.

import type { Zone } from './format'

export type Theme = 'auto' | 'light' | 'dark'
export type Density = 'normal' | 'dense'

function load<T>(key: string, fallback: T): T {
  try {
    const text = localStorage.getItem(`lapwing.${key}`)
    return text === null ? fallback : (JSON.parse(text) as T)
  } catch {
    return fallback
  }
}

function save(key: string, value: unknown) {
  try {
    localStorage.setItem(`lapwing.${key}`, JSON.stringify(value))
  } catch {
    // A full or forbidden storage only costs the memory of the choice.
  }
}

const HISTORY_MAX = 50

class Prefs {
  theme = $state<Theme>(load('theme', 'auto'))
  density = $state<Density>(load('density', 'normal'))
  zone = $state<Zone>(load('zone', 'local'))
  history = $state<string[]>(load('history', []))
  /** The theme that is really on, so that charts can take its colours. */
  dark = $state(false)
  #system = matchMedia('(prefers-color-scheme: dark)')

  constructor() {
    this.#system.addEventListener('change', () => this.#apply())
    this.#apply()
  }

  setTheme(theme: Theme) {
    this.theme = theme
    save('theme', theme)
    this.#apply()
  }

  setDensity(density: Density) {
    this.density = density
    save('density', density)
    this.#apply()
  }

  setZone(zone: Zone) {
    this.zone = zone
    save('zone', zone)
  }

  remember(query: string) {
    const trimmed = query.trim()
    if (!trimmed) return
    this.history = [trimmed, ...this.history.filter((q) => q !== trimmed)].slice(0, HISTORY_MAX)
    save('history', this.history)
  }

  forget() {
    this.history = []
    save('history', [])
  }

  #apply() {
    this.dark = this.theme === 'dark' || (this.theme === 'auto' && this.#system.matches)
    document.documentElement.dataset.theme = this.dark ? 'dark' : 'light'
    document.documentElement.dataset.density = this.density
  }
}

export const prefs = new Prefs()
