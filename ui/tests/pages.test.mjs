// Every page, in both themes and two widths: drawn, without errors, without serious findings of axe, never wider than the screen.

import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { PHONE, accessible, closeBrowser, cutOff, eventually, visit } from './browser.mjs'

after(closeBrowser)

const PAGES = {
  '/': 'Models', '/models/chat': 'Where its samples come from', '/alerts': 'HighLatency', '/alerts/silences': 'Nothing is silenced', '/alerts/deliveries': 'Nothing has left yet', '/alerts/oncall': 'critical models', '/alerts/routing': 'Where would this go?', '/health': 'For others', '/health?tab=events': 'connection refused', '/health?tab=repairs': 'restart the engine', '/explore': 'Write a query',
  '/explore?q=up&browse=1': 'find among', '/explore?q=cpu_usage&tab=table': 'rows at', '/dashboards': 'Ready', '/dashboards/host': 'Disk traffic', '/rules': 'HighLatency', '/targets': 'connection refused', '/system': 'Running',
  '/system?tab=cardinality': 'Series by metric', '/system?tab=config': '$KEEP in lapwing.yml:7', '/system?tab=queries': 'sum(many_series)', '/system?tab=rules': 'Groups of rules', '/system?tab=delivery': 'Every page has arrived',
  '/system?tab=doctor': 'start chrony', '/system?tab=ingestion': 'Targets, by health', '/dashboards/kinds': 'Ask the platform team', '/explore?q=cpu_usage&draft=1&limit=0.6': 'It would have', '/nowhere': 'Nothing stands at this address',
}

for (const [path, text] of Object.entries(PAGES)) {
  for (const scheme of ['light', 'dark']) {
    test(`${path} in ${scheme}`, () => visit({ scheme, axe: true }, async ({ page, open, settled }) => {
      await open(path)
      await (text.startsWith('find') ? page.getByPlaceholder(text) : page.getByText(text)).first().waitFor()
      await settled()
      assert.deepEqual(await cutOff(page), [])
      await accessible(page)
    }))
  }
  test(`${path} on a phone`, () => visit({ viewport: PHONE }, async ({ page, open, settled }) => {
    await open(path)
    await (text.startsWith('find') ? page.getByPlaceholder(text) : page.getByText(text)).first().waitFor()
    await settled()
    assert.deepEqual(await cutOff(page), [])
    await page.setViewportSize({ width: 375, height: 667 })
    await eventually(async () => assert.deepEqual(await cutOff(page), []), 15_000)
  }))
}

test('a phone reaches every page and the search with its thumb, without scrolling the bar', () => visit({ viewport: PHONE, axe: true }, async ({ page, open }) => {
  await open('/')
  const bar = page.getByRole('navigation', { name: 'pages' })
  const titles = ['Alerts', 'Health', 'Explore', 'Dashboards', 'Rules', 'Targets', 'System', 'Overview']
  for (const title of titles) {
    const direct = bar.getByRole('link', { name: title })
    if (!(await direct.isVisible())) await bar.getByRole('button', { name: 'more pages' }).click()
    const { x, width, y, height } = await direct.boundingBox()
    assert.ok(x >= 0 && x + width <= PHONE.width && y + height <= PHONE.height, `${title} is cut off`)
    await direct.click()
    await page.getByRole('heading', { level: 1, name: title }).waitFor()
    // What is open says so in the bar, also where it stands behind another entry.
    await eventually(async () => assert.equal(await page.getByRole('dialog').count(), 0))
  }
  await bar.getByRole('button', { name: 'more pages' }).click()
  await accessible(page)
  await bar.getByRole('button', { name: 'Find' }).click()
  await page.getByRole('dialog', { name: 'Find' }).getByRole('combobox').waitFor()
}))

test('on a phone a table that flows is sorted by a choice', () => visit({ viewport: PHONE, alerts: 30 }, async ({ page, open, settled }) => {
  await open('/alerts')
  await settled()
  const last = page.locator('table[aria-label^=alerts] tbody tr').last()
  // Since when it is so goes on by itself.
  const who = async () => (await last.innerText()).split('\n').slice(0, -1).join(' ')
  assert.match(await who(), /DiskNearlyFull/)
  await page.getByLabel(/^sort .* by$/).selectOption('since')
  await eventually(async () => assert.match(await who(), /TargetDown .*10\.0\.0\.7:8000/))
  await page.getByRole('button', { name: /^(as|des)cending$/ }).click()
  await eventually(async () => assert.match(await who(), /TargetDown .*host-0 /))
}))

test('nothing sent yet: the first start', () => visit({ models: false, axe: true }, async ({ page, open }) => {
  await open('/')
  await page.getByText('Connect your model').waitFor()
  const panels = page.getByRole('group', { name: /^(CPU|Memory|Load|Network|Disk|Processes)/ })
  await eventually(async () => assert.ok(await panels.count() >= 6))
  await accessible(page)
}))
