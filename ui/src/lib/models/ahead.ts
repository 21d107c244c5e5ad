// What the overview will ask is asked while its code is still on the way: the names at once, and the facts of the models that
// were there last time. Only an answer of the server is ever shown: what was remembered decides what is asked, nothing else.

import type { Known } from './facts'
import { keyOfNames, modelFacts, modelNames, namesOf, type Asked, type ModelFacts, type Names } from './load'

const KEPT = 'lapwing.models'
/** More than this is not worth keeping: a place with so many models waits for its names anyway. */
const KEPT_MAX = 64 * 1024

let names: { now: number; answer: Promise<Names> } | null = null
let facts: { key: string; answer: Promise<ModelFacts> } | null = null

const keyOf = (of: Names, asked: Asked) => `${keyOfNames(of)} ${JSON.stringify(asked)}`
/** Whoever takes it sees the failure; until then it is nobody's. */
const held = <T>(answer: Promise<T>) => {
  answer.catch(() => undefined)
  return answer
}

export function askAhead(asked: Asked) {
  names = { now: asked.now, answer: held(modelNames(asked.now)) }
  const last = remembered()
  if (last?.models.length) facts = { key: keyOf(last, asked), answer: held(modelFacts(last, asked)) }
}

/** The names, as asked ahead if that was for the same moment; an answer is taken once. */
export function namesNow(now: number, signal: AbortSignal): Promise<Names> {
  const ready = names?.now === now ? names.answer : null
  names = null
  return (ready ?? modelNames(now, signal)).then((answer) => {
    remember(answer)
    return answer
  })
}

/** The facts, as asked ahead if that was the same question. */
export function factsNow(of: Names, asked: Asked, signal: AbortSignal): Promise<ModelFacts> {
  const ready = facts?.key === keyOf(of, asked) ? facts.answer : null
  facts = null
  return ready ?? modelFacts(of, asked, signal)
}

function remember({ models, known }: Names) {
  try {
    const text = JSON.stringify({ models, known })
    if (text.length <= KEPT_MAX && localStorage.getItem(KEPT) !== text) localStorage.setItem(KEPT, text)
  } catch {
    // Without a storage the next start asks one after the other.
  }
}

function remembered(): Names | null {
  try {
    const { models, known } = JSON.parse(localStorage.getItem(KEPT) ?? 'null') as { models: string[]; known: Known }
    return [models, known.model, known.model_name].every(Array.isArray) ? namesOf(models, known) : null
  } catch {
    return null
  }
}
