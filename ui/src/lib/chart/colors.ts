// Colours of series. Chosen apart from the colours of severity, so that no line looks like an alarm.

const LIGHT = ['#2f6fd0', '#b3590f', '#0f857b', '#8a4bc4', '#6b7a12', '#c2367f', '#3a7d35', '#5a6b8c']
const DARK = ['#6ea8fe', '#e89a4f', '#4cc2b4', '#b78bf0', '#b5c04a', '#ee7fb5', '#7cc26f', '#9db0d1']

/** The first eight are hand-picked; after them the hue walks by the golden angle. */
export function seriesColor(at: number, dark: boolean): string {
  const palette = dark ? DARK : LIGHT
  if (at < palette.length) return palette[at]!
  const hue = Math.round((at * 137.508 + 40) % 360)
  return dark ? `hsl(${hue} 55% 66%)` : `hsl(${hue} 55% 38%)`
}
