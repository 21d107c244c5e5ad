// Every page, in both themes and two widths: drawn, without errors, without serious findings of axe, never wider than the screen.

import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { accessible, closeBrowser, eventually, visit } from './browser.mjs'

after(closeBrowser)

const PAGES = {
  '/': 'Models', '/models/chat': 'Where its samples come from', '/alerts': 'HighLatency', '/alerts/silences': 'Nothing is silenced', '/alerts/deliveries': 'Nothing has left yet', '/alerts/oncall': 'critical models', '/alerts/routing': 'Where would this go?', '/health': 'For others', '/health?tab=events': 'connection refused', '/health?tab=repairs': 'restart the engine', '/explore': 'Write a query',
  '/explore?q=up&browse=1': 'find among', '/explore?q=cpu_usage&tab=table': 'rows at', '/dashboards': 'Ready', '/dashboards/host': 'Disk traffic', '/rules': 'HighLatency', '/targets': 'connection refused', '/system': 'Running',
  '/system?tab=cardinality': 'Series by metric', '/system?tab=config': '$KEEP in lapwing.yml:7', '/system?tab=queries': 'sum(many_series)', '/system?tab=rules': 'Groups of rules', '/system?tab=delivery': 'Every page has arrived',
  '/system?tab=doctor': 'start chrony', '/system?tab=ingestion': 'Targets, by health', '/dashboards/kinds': 'Ask the platform team', '/explore?q=cpu_usage&draft=1&limit=0.6': 'It would have', '/nowhere': 'There is no such page',
}

for (const [path, text] of Object.entries(PAGES)) {
  for (const scheme of ['light', 'dark']) {
    test(`${path} in ${scheme}`, () => visit({ scheme, axe: true }, async ({ page, open, settled }) => {
      await open(path)
      await (text.startsWith('find') ? page.getByPlaceholder(text) : page.getByText(text)).first().waitFor()
      await settled()
      await accessible(page)
    }))
  }
  test(`${path} on a phone`, () => visit({ viewport: { width: 420, height: 900 } }, async ({ page, open, settled }) => {
    await open(path)
    await (text.startsWith('find') ? page.getByPlaceholder(text) : page.getByText(text)).first().waitFor()
    await settled()
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    // No table and no row of tabs is cut off at the side either.
    const cut = await page.evaluate(() => [...document.querySelectorAll('main .scroll, main .tabs, main .tree')].filter((box) => box.scrollWidth > box.clientWidth + 1).map((box) => `${box.scrollWidth} > ${box.clientWidth}: ${box.innerText.slice(0, 80)}`))
    assert.deepEqual(cut, [])
    assert.ok(overflow <= 0, `the page is ${overflow} px wider than the screen`)
  }))
}

test('nothing sent yet: the first start', () => visit({ models: false, axe: true }, async ({ page, open }) => {
  await open('/')
  await page.getByText('Connect your model').waitFor()
  const panels = page.getByRole('group', { name: /^(CPU|Memory|Load|Network|Disk|Processes)/ })
  await eventually(async () => assert.ok(await panels.count() >= 6))
  await accessible(page)
}))
