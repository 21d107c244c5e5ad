// What the overview will ask is asked before anything is drawn: the names, and beside them the facts, from the sources that were
// there last time or, where nobody was here before, from all that are known by name (one that is absent answers with nothing).
// So the figures need one round trip. Only an answer of the server is ever shown: what was remembered decides what is asked,
// nothing else.

import { SOURCES, type Known, type Source } from './facts'
import { modelFacts, modelNames, namesOf, type Asked, type ModelFacts, type Names } from './load'

const KEPT = 'lapwing.models'
/** More than this is not worth keeping: a place with so many models waits for its names anyway. */
const KEPT_MAX = 64 * 1024

let names: { now: number; answer: Promise<Names> } | null = null
let facts: { sources: Set<string>; asked: string; answer: Promise<ModelFacts> } | null = null

const keyOf = (source: Source) => `${source.fact} ${source.metric}`
/** Whoever takes it sees the failure; until then it is nobody's. */
const held = <T>(answer: Promise<T>) => {
  answer.catch(() => undefined)
  return answer
}

export function askAhead(asked: Asked) {
  names = { now: asked.now, answer: held(modelNames(asked.now)) }
  const last = remembered()
  const sources = last?.models.length ? last.sources : SOURCES
  facts = { sources: new Set(sources.map(keyOf)), asked: JSON.stringify(asked), answer: held(modelFacts(sources, asked)) }
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

/** The facts, as asked ahead if that was for the same moment and left out no source. */
export function factsNow({ sources }: Names, asked: Asked, signal: AbortSignal): Promise<ModelFacts> {
  const ahead = facts
  facts = null
  const covers = ahead?.asked === JSON.stringify(asked) && sources.every((source) => ahead.sources.has(keyOf(source)))
  return covers ? ahead.answer : modelFacts(sources, asked, signal)
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
