// One door to the server: every request goes through `call`, which names what went wrong and counts what is in flight.

import { at } from '../base'
import { link } from './link.svelte'

/** Why a request gave nothing; `query` is the asker's mistake, all others are the server's or the network's. */
export type FailureKind = 'unreachable' | 'timeout' | 'denied' | 'overload' | 'missing' | 'query' | 'server' | 'broken'

export class ApiError extends Error {
  constructor(readonly kind: FailureKind, readonly status: number, message: string) {
    super(message)
  }
}

export type Params = Record<string, string | number | string[] | undefined>
export type Reply<T> = { data: T; warnings: string[]; infos: string[] }

const TIMEOUT_MS = 30_000

export function search(params: Params): string {
  const out = new URLSearchParams()
  for (const [name, value] of Object.entries(params)) {
    if (value === undefined) continue
    for (const one of Array.isArray(value) ? value : [value]) out.append(name, String(one))
  }
  return out.toString()
}

/** GET; queries too long for a URL go as a form, which the query endpoints take as well. */
export async function get<T>(path: string, params: Params = {}, signal?: AbortSignal): Promise<Reply<T>> {
  const query = search(params)
  if (query.length > 4000) {
    return call(path, { method: 'POST', body: query, headers: { 'content-type': 'application/x-www-form-urlencoded' } }, signal, read<T>)
  }
  return call(query ? `${path}?${query}` : path, {}, signal, read<T>)
}

export async function send<T>(method: 'POST' | 'DELETE' | 'PUT', path: string, body?: unknown, signal?: AbortSignal): Promise<Reply<T>> {
  const init: RequestInit = { method }
  if (body !== undefined) {
    init.body = JSON.stringify(body)
    init.headers = { 'content-type': 'application/json' }
  }
  return call(path, init, signal, read<T>)
}

/** A text as it stands, such as the YAML of a file. */
export async function put<T>(path: string, text: string): Promise<Reply<T>> {
  return call(path, { method: 'PUT', body: text, headers: { 'content-type': 'text/plain; charset=utf-8' } }, undefined, read<T>)
}

/** A file that the server makes of a form. */
export function file(path: string, form: Params): Promise<Blob> {
  const init = { method: 'POST', body: search(form), headers: { 'content-type': 'application/x-www-form-urlencoded' } }
  return call(path, init, undefined, async (reply) => {
    if (reply.ok) return reply.blob()
    const text = await reply.text()
    throw refused(reply.status, parse(text), text)
  })
}

async function call<R>(url: string, init: RequestInit, signal: AbortSignal | undefined, take: (reply: Response) => Promise<R>): Promise<R> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS)
  link.begin()
  try {
    const reply = await fetch(at(url), {
      ...init,
      credentials: 'same-origin',
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    })
    const taken = await take(reply)
    link.succeeded()
    return taken
  } catch (error) {
    if (signal?.aborted) throw error
    const failure = name(error, timeout.aborted)
    link.failed(failure.kind, failure.message)
    throw failure
  } finally {
    link.end()
  }
}

function name(error: unknown, timedOut: boolean): ApiError {
  if (error instanceof ApiError) return error
  if (timedOut) return new ApiError('timeout', 0, `no answer within ${TIMEOUT_MS / 1000} s`)
  return new ApiError('unreachable', 0, 'the server does not answer')
}

async function read<T>(reply: Response): Promise<Reply<T>> {
  const text = await reply.text()
  const body = parse(text)
  if (!reply.ok) throw refused(reply.status, body, text)
  if (body === undefined) {
    if (text.trim() === '') return { data: undefined as T, warnings: [], infos: [] }
    throw new ApiError('broken', reply.status, 'the answer is not JSON')
  }
  // API v1 wraps its answers; API v2 does not.
  if (isEnvelope(body)) {
    if (body.status === 'error') throw new ApiError('query', reply.status, body.error ?? 'unnamed error')
    return { data: body.data as T, warnings: body.warnings ?? [], infos: body.infos ?? [] }
  }
  return { data: body as T, warnings: [], infos: [] }
}

type Envelope = { status: 'success' | 'error'; data?: unknown; error?: string; warnings?: string[]; infos?: string[] }

function isEnvelope(body: unknown): body is Envelope {
  const status = (body as Envelope | null)?.status
  return status === 'success' || status === 'error'
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function refused(status: number, body: unknown, text: string): ApiError {
  const inner = (body as { error?: string; message?: string } | undefined)?.error ?? (body as { message?: string })?.message
  const message = inner ?? (typeof body === 'string' ? body : text.trim().slice(0, 300)) ?? ''
  return new ApiError(kindOf(status), status, message || `HTTP ${status}`)
}

export function kindOf(status: number): FailureKind {
  if (status === 401 || status === 403) return 'denied'
  if (status === 404 || status === 405 || status === 501) return 'missing'
  if (status === 429 || status === 503) return 'overload'
  if (status === 400 || status === 422) return 'query'
  return status >= 500 ? 'server' : 'query'
}
