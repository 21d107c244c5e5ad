// Finding by a few letters: all letters in order, whole words and beginnings first, short names before long ones. Pure.

export function score(text: string, query: string): number | null {
  const hay = text.toLowerCase()
  const needle = query.toLowerCase().trim()
  if (needle === '') return 0
  const whole = hay.indexOf(needle)
  if (whole === 0) return 1000 - hay.length
  if (whole > 0) return (/[^a-z0-9]/.test(hay[whole - 1]!) ? 800 : 600) - hay.length
  let at = 0
  let jumps = 0
  for (const char of needle.replace(/\s+/g, '')) {
    const next = hay.indexOf(char, at)
    if (next < 0) return null
    if (next > at) jumps += 1
    at = next + 1
  }
  return 300 - jumps * 20 - hay.length
}

export function rank<T extends { text: string }>(entries: T[], query: string, max: number): T[] {
  if (query.trim() === '') return entries.slice(0, max)
  const scored: { entry: T; value: number }[] = []
  for (const entry of entries) {
    const value = score(entry.text, query)
    if (value !== null) scored.push({ entry, value })
  }
  return scored.sort((a, b) => b.value - a.value).slice(0, max).map((s) => s.entry)
}
