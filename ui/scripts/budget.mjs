// The weight of the built files, gzipped. No page may load more than 120 kB before the query editor and the dialogs that
// a person opens, and all files together stay below 400 kB.

import { readFileSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

const DIST = fileURLToPath(new URL('../../crates/ui/dist', import.meta.url))
const PAGE_MAX = 120_000
const ALL_MAX = 400_000
// The overview comes with the frame.
const PAGES = ['Model', 'Alerts', 'Health', 'Explore', 'Dashboards', 'Rules', 'Targets', 'System']

const files = new Map(
  readdirSync(DIST, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== 'SOURCES.sha256')
    .map((entry) => [entry.name, readFileSync(join(entry.parentPath, entry.name))]),
)
const weight = (name) => gzipSync(files.get(name), { level: 9 }).length
const named = (stem) => [...files.keys()].find((name) => new RegExp(`^${stem}-[\\w-]{8}\\.js$`).test(name)) ?? fail(`no file of ${stem}`)

function fail(why) {
  console.error(why)
  process.exit(1)
}

/** A file and all that it imports at once; what it imports later does not count. */
function closure(name, seen = new Set()) {
  if (seen.has(name)) return seen
  seen.add(name)
  for (const [, path] of files.get(name).toString().matchAll(/(?:from|import)\s*"\.\/([^"]+\.js)"/g)) closure(basename(path), seen)
  return seen
}

const styles = [...files.keys()].filter((name) => name.endsWith('.css'))
const shell = [named('index'), 'index.html', 'favicon.svg', ...styles]
let heaviest = 0
for (const page of PAGES) {
  const loaded = new Set([...shell, ...closure(named('index')), ...closure(named(page))])
  if (loaded.has(named('editor'))) fail(`${page} loads the editor at once`)
  const bytes = [...loaded].reduce((sum, name) => sum + weight(name), 0)
  heaviest = Math.max(heaviest, bytes)
  console.log(`${String(bytes).padStart(8)}  ${page}`)
}
const all = [...files.keys()].reduce((sum, name) => sum + weight(name), 0)
console.log(`heaviest page ${heaviest} of ${PAGE_MAX}, all files ${all} of ${ALL_MAX}`)
if (heaviest > PAGE_MAX || all > ALL_MAX) fail('over budget')
