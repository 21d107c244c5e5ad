// Stretches of time with one state each, out of samples on a grid. Pure.

import { severityOf } from '../alerts'
import type { Line } from '../api/prom'
import type { Span } from '../time/range'
import type { Tone } from '../../ui/State.svelte'

export type Stretch = { start: number; end: number; tone: Tone; word: string }

/** `up`-like series: 1 is good, 0 is bad, no sample is unknown. */
export function ofUp(line: Line | undefined, span: Span, step: number): Stretch[] {
  const by = new Map((line?.times ?? []).map((t, i) => [Math.round(t), line!.values[i]!]))
  return onGrid(span, step, (t) => {
    const value = by.get(t)
    return value === undefined ? { tone: 'none', word: 'no data' } : value >= 1 ? { tone: 'ok', word: 'up' } : { tone: 'crit', word: 'down' }
  })
}

const HEALTH: Record<string, { tone: Tone; word: string }> = {
  '-1': { tone: 'none', word: 'unknown' }, 0: { tone: 'ok', word: 'healthy' }, 1: { tone: 'warn', word: 'degraded' }, 2: { tone: 'crit', word: 'unhealthy' }, 3: { tone: 'crit', word: 'critical' },
}

/** Series of `lapwing_health_state`. */
export function ofHealth(line: Line | undefined, span: Span, step: number): Stretch[] {
  const by = new Map((line?.times ?? []).map((t, i) => [Math.round(t), line!.values[i]!]))
  return onGrid(span, step, (t) => HEALTH[String(by.get(t))] ?? { tone: 'none', word: 'no data' })
}

/** Any series, by what its value means. */
export function ofThresholds(line: Line, span: Span, step: number, say: (value: number) => { tone: Tone; word: string }): Stretch[] {
  const by = new Map(line.times.map((t, i) => [Math.round(t), line.values[i]!]))
  return onGrid(span, step, (t) => {
    const value = by.get(t)
    return value === undefined ? { tone: 'none', word: 'no data' } : say(value)
  })
}

/** The worst alert that fired at each point, of series of `ALERTS`. Where nothing at all was measured, that is said. */
export function ofAlerts(firing: Line[], measured: Line | undefined, span: Span, step: number): Stretch[] {
  const rank = (line: Line) => (severityOf(line.labels).tone === 'crit' ? 2 : 1)
  const by = new Map<number, number>()
  for (const line of firing) for (const t of line.times) by.set(Math.round(t), Math.max(by.get(Math.round(t)) ?? 0, rank(line)))
  const seen = new Set((measured?.times ?? []).map(Math.round))
  return onGrid(span, step, (t) => {
    const worst = by.get(t) ?? 0
    if (worst === 2) return { tone: 'crit', word: 'failing' }
    if (worst === 1) return { tone: 'warn', word: 'degraded' }
    return measured && !seen.has(t) ? { tone: 'none', word: 'no data' } : { tone: 'ok', word: 'working' }
  })
}

function onGrid(span: Span, step: number, at: (seconds: number) => { tone: Tone; word: string }): Stretch[] {
  const out: Stretch[] = []
  for (let ms = span.start; ms <= span.end; ms += step * 1000) {
    const { tone, word } = at(Math.round(ms / 1000))
    const last = out.at(-1)
    if (last && last.word === word && last.tone === tone) last.end = ms + step * 1000
    else out.push({ start: ms, end: ms + step * 1000, tone, word })
  }
  return out
}

/** The share of what was measured that was good; null when nothing was. */
export function availability(stretches: Stretch[]): number | null {
  let good = 0
  let all = 0
  for (const s of stretches) {
    if (s.tone === 'none') continue
    all += s.end - s.start
    if (s.tone === 'ok' || s.tone === 'info') good += s.end - s.start
  }
  return all === 0 ? null : good / all
}
