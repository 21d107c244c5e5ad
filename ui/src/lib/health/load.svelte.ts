// Asks for health: the tree, what happened, what repairs did, what people wrote; again with every tick.

import { get, search, send } from '../api/client'
import { range, type Line } from '../api/prom'
import type { AuditEntry, HealthEvent, HealthNote, HealthTree } from '../api/types.gen'
import { resource } from '../resource.svelte'
import { view } from '../view.svelte'

const ROWS_MAX = 300

const list = <T>(path: string, params: Record<string, string | number> = {}) => resource<T[]>((signal) => {
  void view.now
  return get<T[]>(path, { limit: ROWS_MAX, ...params }, signal).then((reply) => reply.data ?? [])
})

export const healthTree = () => resource<HealthTree>((signal) => {
  void view.now
  return get<HealthTree>('/api/v1/health', {}, signal).then((reply) => reply.data)
})
export const healthEvents = () => list<HealthEvent>('/api/v1/health/events')
export const repairSteps = () => list<AuditEntry>('/api/v1/health/repairs')
export const healthNotes = () => list<HealthNote>('/api/v1/health/notes')

/** States over the span of the page: of models by `model/NAME`, of checks by `check/NAME`. */
export type Past = { span: typeof view.span; step: number; lines: Map<string, Line> }

export const healthPast = () => resource<Past>((signal) => {
  const { span, step } = view
  return range('max by (scope, model, check) (lapwing_health_state{scope=~"model|check"})', span, step, signal).then((reply) => {
    const id = (line: Line) => (line.labels.scope === 'model' ? `model/${line.labels.model}` : `check/${line.labels.check}`)
    return { span, step, lines: new Map(reply.rows.map((line) => [id(line), line])) }
  })
})

export const approve = (target: string, action: string, by: string) => send<unknown[]>('POST', `/api/v1/health/repairs/approve?${search({ target, action, by })}`)
export const rehearse = (target: string, action: string) => send<unknown[]>('POST', `/api/v1/health/repairs/rehearse?${search({ target, action })}`)
export const writeNote = (text: string, by: string, model?: string) => send<HealthNote>('POST', `/api/v1/health/notes?${search({ text, by, model })}`)
