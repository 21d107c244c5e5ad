// What stands around the pages: the title of the tab, addresses without a page, tables that do not fit, and what leaves in files.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, test } from 'node:test'
import { PHONE, closeBrowser, cutOff, eventually, visit } from './browser.mjs'

after(closeBrowser)

test('the title of the tab says where one is, and what of it is looked at', () => visit({}, async ({ page, open }) => {
  const titles = {
    '/': 'Overview · Lapwing', '/models/chat': 'chat · Lapwing', '/alerts': 'Alerts · Lapwing', '/alerts/silences': 'Silences · Alerts · Lapwing', '/alerts/record': 'Why · Alerts · Lapwing',
    '/health?tab=events': 'What happened · Health · Lapwing', '/explore?q=up': 'up · Explore · Lapwing', '/explore': 'Explore · Lapwing', '/dashboards': 'Dashboards · Lapwing', '/dashboards/kinds': 'Every kind · Dashboards · Lapwing',
    '/system?tab=cardinality': 'Cardinality · System · Lapwing', '/nowhere/at/all': 'No such page · Lapwing',
  }
  for (const [path, title] of Object.entries(titles)) {
    await open(path)
    await eventually(async () => assert.equal(await page.title(), title))
  }
  await page.getByRole('heading', { level: 1, name: 'No such page' }).waitFor()
  await page.getByRole('link', { name: 'To the overview', exact: true }).click()
  await eventually(async () => assert.equal(await page.title(), 'Overview · Lapwing'))
  await page.getByRole('link', { name: 'HighLatency' }).first().click()
  await eventually(async () => assert.equal(await page.title(), 'HighLatency · Alerts · Lapwing'))
}))

test('tables with long labels and long words fit a small window, to their last column', () => visit({ viewport: { width: 900, height: 800 } }, async ({ page, open, settled }) => {
  for (const path of ['/alerts?state=all', '/rules', '/targets', '/health?tab=events', '/health?tab=repairs', '/explore?q=hostile_metric&tab=table']) {
    await open(path)
    await page.getByRole('row').first().waitFor()
    await settled()
    await eventually(async () => assert.deepEqual(await cutOff(page), [], path), 15_000)
  }
}))

test('the file of alerts says of each its state, who has it and what keeps it quiet', () => visit({}, async ({ page, fake, open }) => {
  fake.state.silences.push({ id: 'made-before', status: { state: 'active' }, matchers: [{ name: 'alertname', value: 'TargetDown', isRegex: false, isEqual: true }], startsAt: '', endsAt: '', createdBy: 'me', comment: 'known' })
  fake.state.acks.set('0', 'ana')
  await open('/alerts?state=all')
  await page.getByText('acked by').waitFor()
  await page.getByRole('button', { name: /^save alerts/ }).click()
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: /as JSON$/ }).click()])
  const rows = JSON.parse(await readFile(await file.path(), 'utf8'))
  const said = Object.fromEntries(rows.map((row) => [row.alert, [row.state, row.acknowledged_by, row.silenced_by, row.receivers]]))
  assert.deepEqual(said.HighLatency, ['firing', 'ana', '', 'team'])
  assert.deepEqual(said.TargetDown, ['silenced', null, 'made-before', 'team'])
  assert.deepEqual(said.DiskNearlyFull.slice(0, 1), ['pending'])
}))

test('values in a table are whole, with the names of their labels where rows flow', () => visit({ viewport: PHONE }, async ({ page, open }) => {
  await page.route('**/api/v1/query?**', (route) => route.fulfill({ json: { status: 'success', data: { resultType: 'vector', result: [
    { metric: { __name__: 'odd', kind: 'exact', instance: 'a-host-with-a-name-that-is-longer-than-any-phone-is-wide.rack-7.example.internal:9100' }, value: [1, '-1234567.891'] },
    { metric: { __name__: 'odd', kind: 'none' }, value: [1, 'NaN'] }, { metric: { __name__: 'odd', kind: 'endless' }, value: [1, '+Inf'] },
  ] } } }))
  await open('/explore?q=odd&tab=table')
  const rows = page.getByRole('table', { name: 'results' }).locator('tbody tr')
  await rows.filter({ hasText: 'exact' }).waitFor()
  const titles = () => rows.first().locator('td').evaluateAll((cells) => cells.map((cell) => [cell.dataset.title, cell.innerText]))
  assert.deepEqual((await titles()).filter(([title]) => title !== 'instance'), [['metric', 'odd'], ['kind', 'exact'], ['value', '-1234567.891']])
  await page.getByText('NaN').waitFor()
  await page.getByRole('button', { name: 'save results' }).click()
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: /as CSV$/ }).click()])
  assert.match(await readFile(await file.path(), 'utf8'), /endless,\+Inf\r\n/)
  assert.deepEqual(await cutOff(page), [])
}))

test('a query that cannot be read is shown with the place that its message names', () => visit({ tolerate: /400/ }, async ({ page, open }) => {
  await page.route('**/api/v1/query_range?**', (route) => route.fulfill({ status: 400, json: { status: 'error', errorType: 'bad_data', error: `invalid parameter "query": 2:12: parse error: unexpected right parenthesis ')'` } }))
  await open('/explore?q=' + encodeURIComponent('sum(up) +\n{a="éé"} ) * 2'))
  await page.getByRole('alert').locator('p').filter({ has: page.locator('mark', { hasText: ')' }) }).waitFor()
  assert.equal(await page.getByRole('alert').locator('.where').innerText(), '{a="éé"} ) * 2')
}))

test('the steps of a delivery are opened by keyboard and stand where one looks, however long the list', () => visit({}, async ({ page, fake, open }) => {
  fake.state.ledger = Array.from({ length: 60 }, (_, i) => ({ at_ms: Date.now() - i * 60_000, delivery: `d${i}`, event: 'delivered', group_key: `{}:{alertname="Slow${i}"}`, receiver: 'team', channel: 'webhook/0', attempt: 1, detail: `answer of ${i}` }))
  await open('/alerts/deliveries')
  const first = page.getByRole('row').filter({ hasText: 'Slow0' }).getByRole('button')
  await first.focus()
  await page.keyboard.press('Enter')
  const steps = page.getByRole('region', { name: 'steps of a delivery' })
  await steps.getByText('answer of 0').waitFor()
  const { y, height } = await steps.boundingBox()
  assert.ok(y > 0 && y + height <= 900, `it stands at ${y}`)
  assert.equal(await first.getAttribute('aria-expanded'), 'true')
  await page.getByRole('button', { name: 'close the steps' }).click()
  await steps.waitFor({ state: 'hidden' })
  await page.getByRole('button', { name: 'save deliveries' }).click()
  await page.getByRole('button', { name: 'Save 60 rows as CSV' }).waitFor()
}))

test('a dashboard that somebody else has saved meanwhile is not written over, and one is deleted in two clicks', () => visit({ tolerate: /409/ }, async ({ page, fake }) => {
  fake.state.boards.set('ours', 'title: Ours\npanels: []\n')
  await page.goto(`${fake.url}/dashboards/ours?edit=1`)
  const text = page.getByLabel('YAML of the dashboard')
  await text.fill('title: Mine\npanels: []\n# a word\n')
  fake.state.boards.set('ours', 'title: Of somebody else\npanels: []\n')
  await page.getByRole('button', { name: 'Save the file' }).click()
  await page.getByText('somebody else has changed').waitFor()
  assert.match(fake.state.boards.get('ours'), /somebody else/)
  // Under another name it is saved; a name that is taken is refused as well.
  await page.getByLabel('name of the file').fill('mine')
  await page.getByRole('button', { name: 'Save the file' }).click()
  await page.waitForURL(/\/dashboards\/mine/)
  await page.getByRole('heading', { level: 2, name: 'Mine' }).waitFor()
  await page.getByRole('button', { name: 'Edit' }).click()
  await page.getByRole('button', { name: 'Delete', exact: true }).click()
  assert.ok(fake.state.boards.has('mine'), 'one click is a slip of the hand')
  await page.getByRole('button', { name: 'Delete mine.yml for good' }).click()
  await page.getByRole('heading', { name: 'Ready' }).waitFor()
  await eventually(async () => assert.equal(fake.state.boards.has('mine'), false))
}))
