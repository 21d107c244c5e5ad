// Two texts line by line. Pure.

export type DiffLine = { sign: ' ' | '+' | '-'; text: string }
const DIFF_LINES_MAX = 1500

/** How many lines are not in both. */
export const differing = (before: string, after: string): number => diff(before, after).filter((line) => line.sign !== ' ').length

/** Lines kept, added and taken away, by their longest common subsequence. */
export function diff(before: string, after: string): DiffLine[] {
  const a = linesOf(before)
  const b = linesOf(after)
  const length = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1))
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1) length[i]![j] = a[i] === b[j] ? length[i + 1]![j + 1]! + 1 : Math.max(length[i + 1]![j]!, length[i]![j + 1]!)
  const out: DiffLine[] = []
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      out.push({ sign: ' ', text: a[i]! })
      i += 1
      j += 1
    } else if (i < a.length && (j >= b.length || length[i + 1]![j]! >= length[i]![j + 1]!)) {
      out.push({ sign: '-', text: a[i]! })
      i += 1
    } else {
      out.push({ sign: '+', text: b[j]! })
      j += 1
    }
  }
  return out
}

/** A text that is not there has no line, and not an empty one. */
function linesOf(text: string): string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n').slice(0, DIFF_LINES_MAX)
}
