// Tables as files. A cell that a spreadsheet would run as a formula is quoted with an apostrophe.

export type Cell = string | number | null | undefined
export type Row = Record<string, Cell>

/** A table that can leave: its columns in their order, and what stands below them. */
export type Sheet = { columns: string[]; rows: Row[] }

/** What a column says of a row in a file: words instead of ranks, moments as ISO times. A time that never was is absent. */
export function said<T>(column: { value: (row: T) => Cell; says?: (row: T) => Cell; time?: boolean }, row: T): Cell {
  if (column.says) return column.says(row)
  const value = column.value(row)
  if (!column.time) return value
  return typeof value === 'number' && value > 0 ? new Date(value).toISOString() : null
}

export function save(kind: 'csv' | 'json', name: string, { columns, rows }: Sheet) {
  if (kind === 'csv') download(`${name}.csv`, new Blob([toCsv(columns, rows)], { type: 'text/csv' }))
  else download(`${name}.json`, new Blob([toJson(columns, rows)], { type: 'application/json' }))
}

export function toCsv(columns: string[], rows: Row[]): string {
  return [columns, ...rows.map((row) => columns.map((name) => row[name]))].map((cells) => cells.map(csvCell).join(',')).join('\r\n') + '\r\n'
}

function csvCell(cell: Cell): string {
  if (cell === null || cell === undefined) return ''
  if (typeof cell === 'number') return String(cell)
  const safe = /^[=+\-@\t\r]/.test(cell) && Number.isNaN(Number(cell)) && !/^[+-]Inf$/.test(cell) ? `'${cell}` : cell
  return /[",\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe
}

export function toJson(columns: string[], rows: Row[]): string {
  return JSON.stringify(rows.map((row) => Object.fromEntries(columns.map((name) => [name, row[name] ?? null]))), null, 2) + '\n'
}

export function download(name: string, content: Blob) {
  const url = URL.createObjectURL(content)
  const anchor = document.createElement('a')
  anchor.href = url
  anchor.download = name
  anchor.click()
  setTimeout(() => URL.revokeObjectURL(url), 1000)
}
