// Every kind of panel: a sentence that says it, a keyboard cursor, the same as a table, and both files.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, test } from 'node:test'
import { accessible, closeBrowser, visit } from './browser.mjs'

after(closeBrowser)

// It stands still, for two files of it are compared.
const BOARD = '/dashboards/kinds?refresh=off'

/** Clicks and reads what the browser would keep. */
async function saved(page, click) {
  const [file] = await Promise.all([page.waitForEvent('download'), click()])
  return readFile(await file.path(), 'utf8')
}

/** What each kind says of itself, how its table is found, and the first columns of its files. */
const KINDS = [
  { title: 'Lines', says: /^Lines: 2 series; highest now/, columns: ['time', '10.0.0.5:9100', '10.0.0.6:9100'] },
  { title: 'Large', says: /^Large: 2 values; highest/, columns: ['name', 'value'] },
  { title: 'Round', says: /^Round: 2 values; highest .* 9\d/, columns: ['name', 'value'] },
  { title: 'Long', says: /^Long: 2 values/, columns: ['name', 'value'] },
  { title: 'Spread', says: /^Heat map of .*: \d buckets, most of it between/, columns: ['time'] },
  { title: 'List', says: /^List: 4 values/, columns: ['name', 'value'] },
  { title: 'Past', says: /: (up|down) now/, columns: ['name', 'state', 'from', 'to', 'seconds'] },
]

for (const kind of KINDS) {
  test(`a panel of the kind of "${kind.title}" is a sentence, a table, CSV and JSON`, () => visit({ axe: true }, async ({ page, open }) => {
    await open(BOARD)
    const panel = page.getByRole('region', { name: kind.title, exact: true })
    await panel.getByRole('group', { name: kind.says }).first().waitFor()
    const menu = panel.getByRole('button', { name: `more about ${kind.title}` })
    await menu.click()
    const csv = await saved(page, () => page.getByRole('button', { name: 'Save as CSV' }).click())
    assert.deepEqual(csv.split('\r\n')[0].split(',').slice(0, kind.columns.length), kind.columns)
    assert.ok(csv.split('\r\n').length > 2)
    await menu.click()
    const json = JSON.parse(await saved(page, () => page.getByRole('button', { name: 'Save as JSON' }).click()))
    assert.equal(json.length, csv.trim().split('\r\n').length - 1)
    assert.deepEqual(Object.keys(json[0]).slice(0, kind.columns.length), kind.columns)
    await menu.click()
    await page.getByRole('button', { name: 'Show as table' }).click()
    await panel.locator('table tbody tr').first().waitFor()
    await accessible(page)
  }))
}

test('a graph leaves as a picture that the server draws', () => visit({}, async ({ page, open }) => {
  for (const [path, menu] of [[BOARD, 'more about Lines'], ['/explore?q=cpu_usage&refresh=off', 'save the graph'], ['/alerts', 'more about Value against its limit']]) {
    await open(path)
    if (path === '/alerts') await page.getByRole('link', { name: 'HighLatency' }).click()
    for (const [kind, begins] of [['SVG', '<svg'], ['PNG', '\ufffdPNG'], ['PDF', '%PDF-1.7']]) {
      await page.getByRole('button', { name: menu }).click()
      const link = page.getByRole('link', { name: `Save as ${kind}` })
      const asked = new URL(await link.getAttribute('href'), page.url()).searchParams
      assert.ok(asked.get('query') && Number(asked.get('end')) > Number(asked.get('start')) && asked.get('format') === kind.toLowerCase(), String(asked))
      assert.ok((await saved(page, () => link.click())).startsWith(begins), kind)
      await link.waitFor({ state: 'detached' })
    }
  }
}))

test('each graph has a cursor for the keyboard', () => visit({}, async ({ page, open }) => {
  await open(BOARD)
  for (const [title, says, keys, shows] of [
    ['Lines', /^Lines:/, ['ArrowLeft', 'ArrowLeft'], /\d{4}-\d{2}-\d{2} /],
    ['Spread', /^Heat map of/, ['ArrowLeft', 'ArrowUp'], /\d{4}-\d{2}-\d{2} .* · .* – .*/],
    ['Past', /: down now/, ['Home'], /down, \d{4}-\d{2}-\d{2}/],
  ]) {
    const graph = page.getByRole('region', { name: title, exact: true }).getByRole('group', { name: says }).first()
    await graph.waitFor()
    await graph.focus()
    for (const key of keys) await page.keyboard.press(key)
    await graph.locator('[aria-live=polite]').filter({ hasText: shows }).waitFor()
    await page.keyboard.press('Escape')
  }
}))

/** Pages with tables, and how many at least. */
const TABLES = {
  '/': 2, '/alerts': 1, '/alerts/silences': 1, '/alerts/deliveries': 1, '/alerts/oncall': 1, '/health?tab=events': 1, '/rules': 2, '/targets': 1, '/explore?q=cpu_usage&tab=table': 1,
  '/system?tab=queries': 2, '/system?tab=rules': 1, '/system?tab=delivery': 2, '/system?tab=cardinality': 4, '/system?tab=config': 1, '/system?tab=doctor': 1, '/models/chat': 2,
}

for (const [path, least] of Object.entries(TABLES)) {
  test(`every table of ${path} leaves as CSV and as JSON`, () => visit({}, async ({ page, open, settled }) => {
    await open(path + (path.includes('?') ? '&' : '?') + 'refresh=off')
    const buttons = page.locator('main').getByRole('button', { name: /^save / })
    await page.waitForFunction((n) => [...document.querySelectorAll('main button[aria-label^="save "]')].length >= n, least)
    await settled()
    for (let i = 0; i < await buttons.count(); i += 1) {
      await buttons.nth(i).click()
      const csv = await saved(page, () => page.getByRole('button', { name: /as CSV$/ }).click())
      await buttons.nth(i).click()
      const json = JSON.parse(await saved(page, () => page.getByRole('button', { name: /as JSON$/ }).click()))
      const [head] = csv.split('\r\n')
      assert.ok(head.length > 0 && Array.isArray(json), path)
      if (json.length) assert.deepEqual(Object.keys(json[0]), head.split(','))
    }
    // No table stands on the page that cannot leave it.
    const bare = await page.evaluate(() => [...document.querySelectorAll('main table')].filter((table) => !table.closest('section')?.querySelector('button[aria-label^="save "], button[aria-label^="more about "]')).map((table) => table.outerHTML.slice(0, 120)))
    assert.deepEqual(bare, [])
  }))
}
