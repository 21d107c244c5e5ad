// What a person does, from the first look to the last click, against the fake backend in a real browser.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, test } from 'node:test'
import { start } from '../dev/fake.mjs'
import { accessible, closeBrowser, eventually, steadyBox, visit } from './browser.mjs'

after(closeBrowser)

test('first start: the card turns green at the first sample', () => visit({ models: false }, async ({ page, fake, open }) => {
  await open('/?refresh=5s')
  await page.getByText('waiting for the first sample').waitFor()
  await page.getByRole('button', { name: 'OpenTelemetry' }).click()
  await page.locator('pre').filter({ hasText: fake.url }).filter({ hasText: 'OTEL_' }).waitFor()
  fake.state.options.models = true
  await page.getByText('The first sample of').waitFor()
  await page.getByRole('table', { name: 'models' }).waitFor()
}))

test('why is the model slow: overview, model, query', () => visit({}, async ({ page, open }) => {
  await open('/')
  const first = page.getByRole('table', { name: 'models' }).locator('tbody tr').first()
  await eventually(async () => assert.match(await first.innerText(), /critical[\s\S]*chat/))
  await first.getByRole('link', { name: 'chat' }).click()
  await page.waitForURL(/\/models\/chat/)
  await page.getByRole('heading', { name: 'Latency, p95' }).waitFor()
  await page.getByRole('button', { name: 'more about Latency, p95' }).click()
  await page.getByRole('link', { name: 'Open in Explore' }).click()
  await page.waitForURL(/\/explore\?q=.*histogram_quantile/)
  await page.getByText('1 series').waitFor()
}))

test('an alert is silenced, with a preview of what that hides, and the silence is changed and ended', () => visit({}, async ({ page, fake, open }) => {
  await open('/alerts')
  await page.getByRole('link', { name: 'HighLatency' }).click()
  await page.getByText('Value against its limit').waitFor()
  await page.getByRole('group', { name: /Value of HighLatency/ }).waitFor()
  await page.getByRole('button', { name: 'Silence', exact: true }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText('1 firing alert is hidden by it now').waitFor()
  await dialog.getByLabel('Which alerts').fill('severity=critical')
  await dialog.getByText('2 firing alerts are hidden by it now').waitFor()
  await dialog.getByLabel('Which alerts').fill('alertname=~"["')
  await dialog.getByText('is not a regular expression').waitFor()
  await dialog.getByLabel('Which alerts').fill('alertname="HighLatency"')
  await dialog.getByLabel('Who').fill('night shift')
  await dialog.getByLabel('Why').fill('known, being worked on')
  await dialog.getByRole('button', { name: 'Silence', exact: true }).click()
  await dialog.waitFor({ state: 'hidden' })
  await page.getByText('Silenced by').waitFor()
  await page.goto(new URL('/alerts/silences', page.url()).href)
  await page.getByText('known, being worked on').waitFor()
  // It holds longer than thought: the same silence, from when it began.
  const [made] = fake.state.silences
  await page.getByRole('button', { name: 'Change' }).click()
  await dialog.getByText('1 firing alert is hidden by it now').waitFor()
  assert.equal(await dialog.getByLabel('Which alerts').inputValue(), 'alertname="HighLatency"')
  await dialog.getByLabel('For how long').fill('1d')
  await dialog.getByRole('button', { name: 'Save' }).click()
  await dialog.waitFor({ state: 'hidden' })
  const [changed, ...others] = fake.state.silences
  assert.deepEqual([others.length, changed.id, changed.startsAt, changed.comment], [0, made.id, made.startsAt, made.comment])
  assert.ok(Date.parse(changed.endsAt) - Date.now() > 23 * 3_600_000)
  // Another is for the work of tomorrow.
  await page.getByRole('button', { name: 'New silence' }).click()
  await dialog.getByLabel('Which alerts').fill('job="vllm"')
  await dialog.getByLabel('From').fill('soon')
  await dialog.getByText('the start is not a time').waitFor()
  await dialog.getByLabel('From').fill('now+1d')
  await dialog.getByLabel('Why').fill('the rack is moved')
  await dialog.getByRole('button', { name: 'Silence', exact: true }).click()
  await dialog.waitFor({ state: 'hidden' })
  const rack = page.getByRole('row').filter({ hasText: 'the rack is moved' })
  await rack.filter({ hasText: 'pending' }).getByRole('button', { name: 'End', exact: true }).click()
  await rack.waitFor({ state: 'hidden' })
  await page.getByRole('button', { name: 'End', exact: true }).click()
  await page.getByText('Nothing is silenced.').waitFor()
  await page.getByLabel('with expired ones').check()
  await page.getByRole('row').filter({ hasText: 'known' }).getByRole('button', { name: 'Again' }).click()
  assert.equal(await dialog.getByLabel('Why').inputValue(), 'known, being worked on')
}))

test('what a rule says at every turn is one line of the record, so that the page that was sent stands out', () => visit({}, async ({ page, open }) => {
  await open('/alerts')
  await page.getByRole('link', { name: 'HighLatency' }).click()
  const rows = page.getByRole('region', { name: 'decisions' }).locator('tbody tr')
  await rows.nth(2).waitFor()
  assert.equal(await rows.count(), 3)
  assert.match(await rows.nth(0).innerText(), /firing ×30[\s\S]*value 39[\s\S]*and before, since/)
  assert.match(await rows.nth(1).innerText(), /first notification/)
  assert.match(await rows.nth(2).innerText(), /firing[\s\S]*value 9/)
}))

test('what is silenced does not count as open: not in the bar, not on the overview, which says how many there are', () => visit({}, async ({ page, fake, open }) => {
  const now = Date.now()
  const silence = { id: 's', matchers: [{ name: 'alertname', value: 'HighLatency', isRegex: false, isEqual: true }], startsAt: new Date(now).toISOString(), endsAt: new Date(now + 3.6e6).toISOString(), createdBy: 'x', comment: 'y', status: { state: 'active' } }
  fake.state.silences.push(silence)
  await open('/')
  const open_ = page.getByRole('region', { name: 'open alerts' })
  await open_.getByRole('link', { name: '1 more is silenced or inhibited' }).waitFor()
  assert.equal(await open_.getByText('HighLatency').count(), 0)
  await page.getByRole('navigation', { name: 'pages' }).getByTitle('2 firing').waitFor()
  // The model is as bad as it is, whoever listens.
  await eventually(async () => assert.match(await page.getByRole('table', { name: 'models' }).locator('tbody tr').first().innerText(), /critical[\s\S]*chat/))
}))

test('an alert is acknowledged, others see by whom, and it is given back', () => visit({ axe: true }, async ({ page, open }) => {
  await open('/alerts')
  await page.getByRole('link', { name: 'HighLatency' }).click()
  await page.getByText('first notification').waitFor()
  await page.getByRole('button', { name: 'Acknowledge' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Who').fill('night shift')
  await dialog.getByLabel('Comment').fill('looking at the engine')
  await dialog.getByRole('button', { name: 'Acknowledge' }).click()
  await page.getByText('night shift has it.').waitFor()
  await page.getByText('looking at the engine').waitFor()
  await accessible(page)
  await page.getByRole('link', { name: 'to all alerts' }).click()
  await page.getByText('acked by night shift').waitFor()
  await page.getByRole('link', { name: 'HighLatency' }).click()
  await page.getByRole('button', { name: 'Give it back' }).click()
  await page.getByRole('button', { name: 'Acknowledge' }).waitFor()
}))

test('health: cause above consequence, a repair is tried dry and approved by name, a note is written', () => visit({ axe: true }, async ({ page, open }) => {
  await open('/health')
  const tree = page.getByRole('list', { name: 'what is watched' })
  await tree.getByText('connection refused').waitFor()
  // What fails because of the host stands inside of the host's entry.
  await eventually(async () => assert.match(await tree.locator(':scope > li').first().innerText(), /gpu-host[\s\S]*chat/))
  const repairs = page.getByRole('region', { name: 'repairs' })
  await repairs.getByRole('button', { name: 'Dry run' }).click()
  await repairs.getByText('would start (dry run)').waitFor()
  await repairs.getByRole('button', { name: 'Approve' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Who').fill('night shift')
  await dialog.getByRole('button', { name: 'Approve' }).click()
  await page.getByText('A repair waits for you').waitFor({ state: 'detached' })
  await page.getByRole('button', { name: 'Write a note' }).click()
  await dialog.getByLabel('What should others know?').fill('the host is being restarted')
  await dialog.getByRole('button', { name: 'Write it' }).click()
  await page.getByRole('region', { name: 'the whole' }).getByText('the host is being restarted').waitFor()
  await page.getByRole('link', { name: 'Repairs' }).click()
  await page.getByRole('region', { name: 'what repairs did' }).getByText('night shift').waitFor()
  assert.equal(await page.evaluate(() => window.__pwned), undefined)
  await accessible(page)
}))

test('alerts are filtered, grouped, and the address remembers it', () => visit({ alerts: 30 }, async ({ page, open }) => {
  await open('/alerts')
  await page.getByLabel('filter alerts').fill('job=many instance=~"host-1.*"')
  await page.getByText('11 alerts').waitFor()
  await page.getByLabel('group by').selectOption('instance')
  await page.getByRole('heading', { name: 'instance host-17' }).waitFor()
  await page.reload()
  await page.getByRole('heading', { name: 'instance host-17' }).waitFor()
  await eventually(async () => assert.equal(await page.getByLabel('filter alerts').inputValue(), 'job=many instance=~"host-1.*"'))
}))

test('the server restarts under the open page', () => visit({ tolerate: /ERR_CONNECTION|Failed to load/ }, async ({ page, fake, open }) => {
  await open('/?refresh=5s')
  await page.getByRole('table', { name: 'models' }).getByRole('link', { name: 'chat' }).waitFor()
  await fake.stop()
  await page.getByText('Lapwing does not answer').waitFor()
  assert.equal(await page.getByRole('table', { name: 'models' }).getByRole('link', { name: 'chat' }).count(), 1, 'what was there stays')
  const again = await start({ port: fake.port })
  try {
    await page.getByText('Lapwing answers again').waitFor()
    await page.getByText('Lapwing does not answer').waitFor({ state: 'hidden' })
  } finally {
    await again.stop()
  }
}))

for (const [fault, text] of [['half', 'The server is busy'], ['refuse', 'Not allowed'], ['garbage', 'could not be read'], ['error', 'The server failed']]) {
  test(`the API is ${fault}: the page says so and recovers`, () => visit({ tolerate: /Failed to load/ }, async ({ page, fake, open }) => {
    fake.state.fault = fault
    await open('/explore?q=cpu_usage')
    await page.getByText(text).first().waitFor()
    fake.state.fault = null
    await page.getByText('2 series').waitFor()
    await eventually(async () => assert.equal(await page.getByText(text).count(), 0))
  }))
}

test('a slow server is waited for, not piled upon', () => visit({}, async ({ page, open, settled }) => {
  await page.clock.install()
  let held = null
  let asked = 0
  // Once told so, the server keeps every question and answers none.
  await page.route('**/api/v1/query_range**', async (route) => {
    asked += 1
    if (held) held.push(route)
    else await route.continue()
  })
  await open('/explore?q=cpu_usage&refresh=5s')
  await page.getByText('2 series').waitFor()
  await settled()
  held = []
  const before = asked
  await eventually(async () => {
    await page.clock.runFor(1000)
    assert.equal(asked, before + 1, 'it asks again by itself')
  })
  // Four more times to ask, and less than what a request may take before it is given up.
  await page.clock.runFor(22_000)
  assert.equal(asked, before + 1, 'it asked again although nothing was answered')
  const waiting = held
  held = null
  for (const route of waiting) await route.continue()
  await settled()
  await eventually(async () => {
    await page.clock.runFor(1000)
    assert.ok(asked > before + 1, 'it goes on once it is answered')
  })
}))

test('hostile labels are text', () => visit({}, async ({ page, open, settled }) => {
  for (const path of ['/', '/alerts', '/explore?q=hostile_metric', '/explore?q=hostile_metric&tab=table']) {
    await open(path)
    await page.getByText('<img src=x').first().waitFor()
    assert.equal(await page.evaluate(() => window.__pwned), undefined)
    assert.equal(await page.locator('main img').count(), 0)
    await settled()
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0)
  }
}))

test('a range is brushed, kept in the address, and left by the way back', () => visit({}, async ({ page, open }) => {
  await open('/explore?q=cpu_usage')
  await page.getByText('2 series').waitFor()
  const box = await steadyBox(page.locator('.u-over'))
  await page.mouse.move(box.x + box.width * 0.3, box.y + 50)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width * 0.5, box.y + 50, { steps: 6 })
  await page.mouse.up()
  await page.waitForURL(/from=\d{13}&to=\d{13}/)
  const brushed = new URL(page.url()).searchParams
  assert.ok(Math.abs(Number(brushed.get('to')) - Number(brushed.get('from')) - 720_000) < 90_000)
  await page.getByText('step 5 s').waitFor()
  await page.getByRole('link', { name: 'Rules' }).click()
  await page.waitForURL(/\/rules\?from=\d{13}/)
  await page.getByRole('button', { name: 'back to the range before' }).click()
  await page.waitForURL((url) => !url.search.includes('from='))
}))

test('the range picker takes presets and typed times, and says what is wrong', () => visit({}, async ({ page, open }) => {
  await open('/explore?q=cpu_usage')
  await page.keyboard.press('c')
  await page.getByRole('button', { name: 'Last 24 hours' }).click()
  await page.waitForURL(/from=now-24h/)
  await page.getByRole('button', { name: /^time range/ }).click()
  await page.getByLabel('From').fill('tomorrow')
  await page.getByRole('button', { name: 'Apply' }).click()
  await page.getByText('The start is not a time').waitFor()
  await page.getByLabel('From').fill('now-90m')
  await page.getByRole('button', { name: 'Apply' }).click()
  await page.waitForURL(/from=now-90m/)
  await page.getByRole('button', { name: 'time range: Last 90m' }).waitFor()
}))

test('keys: palette, sheet, pages, pause, theme', () => visit({}, async ({ page, open }) => {
  await open('/')
  await page.keyboard.press('Control+k')
  await page.getByRole('combobox', { name: 'find' }).waitFor()
  await page.waitForFunction(() => document.activeElement?.getAttribute('role') === 'combobox')
  await page.keyboard.type('rules')
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/rules/)
  await page.keyboard.press('Control+k')
  await page.getByRole('combobox', { name: 'find' }).fill('emb')
  await page.getByRole('option', { name: /model\s*embed/ }).click()
  await page.waitForURL(/\/models\/embed/)
  await page.keyboard.press('?')
  await page.getByRole('dialog', { name: 'Keys' }).waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('dialog', { name: 'Keys' }).waitFor({ state: 'hidden' })
  await page.keyboard.press('g')
  await page.keyboard.press('t')
  await page.waitForURL(/\/targets/)
  await page.keyboard.press('p')
  await page.waitForURL(/refresh=off/)
  await page.keyboard.press('D')
  await page.waitForFunction(() => document.documentElement.dataset.theme === 'dark')
}))

test('explore: completion, two queries, table, CSV, link', () => visit({}, async ({ page, open }) => {
  await open('/explore')
  const field = page.getByRole('textbox', { name: 'query A' }).and(page.locator('.cm-content'))
  await field.click()
  await page.keyboard.type('disk_u', { delay: 40 })
  await page.locator('.cm-completionLabel', { hasText: 'disk_usage' }).waitFor()
  await page.keyboard.type('sage')
  await page.keyboard.press('Escape')
  await page.keyboard.press('Enter')
  await page.getByText('2 series').waitFor()
  await page.getByRole('button', { name: 'Query', exact: true }).click()
  await page.locator('.cm-content').nth(1).click()
  await page.keyboard.type('memory_usage')
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'Run' }).click()
  await page.getByText('4 series').waitFor()
  assert.deepEqual(new URL(page.url()).searchParams.getAll('q'), ['disk_usage', 'memory_usage'])
  await page.getByRole('button', { name: 'Table' }).click()
  await page.getByText('4 rows').waitFor()
  await page.getByRole('button', { name: 'save results' }).click()
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save 4 rows as CSV' }).click()])
  assert.equal((await readFile(await file.path(), 'utf8')).trim().split('\r\n').length, 5)
}))

test('an alert is made of a query: limit on the graph, tried by the server, compared with the file, saved', () => visit({ axe: true }, async ({ page, fake, open }) => {
  await open('/explore?q=' + encodeURIComponent('cpu_usage > 0.6'))
  await page.getByText('2 series').waitFor()
  await page.getByRole('button', { name: 'Alert', exact: true }).click()
  await page.getByText(/It would have fired \d+ times on 1 series in the last 7 days/).waitFor()
  await page.getByText(/It would have sent 5 pages: team 5/).waitFor()
  await page.getByLabel('Limit').fill('99')
  await page.getByLabel('Limit').press('Enter')
  await page.getByText('It would not have fired in the last 7 days.').waitFor()
  await page.waitForURL(/draft=1.*limit=99/)
  const change = page.getByRole('region', { name: 'what changes' })
  await eventually(async () => assert.match(await change.innerText(), /\+ +expr: \|-\s+\+ +cpu_usage > 99\s+\+ +for: 5m/))
  await page.getByLabel('Name', { exact: true }).fill('CpuBusy')
  await eventually(async () => assert.equal(await page.getByLabel("name of the rule's file").inputValue(), 'cpu-busy'))
  await page.getByRole('button', { name: 'Save the rule' }).click()
  await page.getByText('Saved and in force').waitFor()
  assert.match(fake.state.savedRules.get('cpu-busy'), /alert: "CpuBusy"[\s\S]*cpu_usage > 99/)
  // What is saved already is replaced, and only what differs is shown.
  await page.getByText('The file says this already.').waitFor()
  await page.getByLabel('Severity').selectOption('critical')
  await eventually(async () => assert.match(await change.innerText(), /- +severity: "warning"\s+\+ +severity: "critical"/))
  await page.getByRole('button', { name: 'Replace the rule' }).click()
  await page.getByText('The file says this already.').waitFor()
  await accessible(page)
}))

test('a query that is wrong is told, and the graph before it stays', () => visit({ tolerate: /400/ }, async ({ page, open }) => {
  await open('/explore?q=cpu_usage')
  await page.getByText('2 series').waitFor()
  await page.locator('.cm-content').click()
  await page.keyboard.press('Control+a')
  await page.keyboard.type('sum(')
  await page.keyboard.press('Escape')
  await page.keyboard.press('Delete')
  await page.getByRole('button', { name: 'Run' }).click()
  await page.getByText('The query was refused').waitFor()
  assert.equal(await page.locator('.u-over').count(), 1)
}))

test('the metric browser tells types, series and labels', () => visit({}, async ({ page, open }) => {
  await open('/explore?browse=1')
  await page.getByLabel('find a metric').fill('node_load')
  await page.getByRole('button', { name: /node_load1/ }).click()
  await page.getByText('2 series').waitFor()
  await page.getByRole('button', { name: /instance/ }).click()
  await page.getByRole('button', { name: /10\.0\.0\.5:9100/ }).click()
  await page.waitForURL(/q=node_load1%7Binstance/)
}))

test('a chart by keyboard, as a table, alone', () => visit({}, async ({ page, open }) => {
  await open('/explore?q=cpu_usage')
  const chart = page.getByRole('group', { name: /cpu_usage: 2 series/ })
  await chart.focus()
  await page.keyboard.press('ArrowLeft')
  await page.keyboard.press('ArrowLeft')
  await chart.getByText(/\d{4}-\d{2}-\d{2} /).waitFor()
  const legend = page.getByRole('button', { name: '10.0.0.5:9100' })
  await legend.click()
  await page.getByRole('button', { name: '10.0.0.6:9100', pressed: false }).waitFor()
  await legend.click()
  await page.getByRole('button', { name: '10.0.0.6:9100', pressed: true }).waitFor()
  await page.getByRole('button', { name: 'Numbers' }).click()
  await page.getByRole('region', { name: 'cpu_usage as a table' }).waitFor()
  await page.getByRole('button', { name: 'save the graph' }).click()
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save as CSV' }).click()])
  assert.match(await readFile(await file.path(), 'utf8'), /^time,10\.0\.0\.5:9100,10\.0\.0\.6:9100\r\n/)
}))

test('an alert is snoozed with two clicks, others see by whom, and it is woken', () => visit({ axe: true }, async ({ page, fake, open }) => {
  await open('/alerts')
  await page.getByRole('link', { name: 'HighLatency' }).click()
  await page.getByRole('button', { name: 'snooze' }).click()
  await page.getByRole('button', { name: /^30m/ }).click()
  await page.getByText('say who you are').waitFor()
  await page.getByLabel('Who').fill('night shift')
  await page.getByRole('button', { name: /^1h/ }).click()
  await page.getByText(/Snoozed by\s+night shift until/).waitFor()
  const [silence] = fake.state.silences
  assert.ok(Math.abs(Date.parse(silence.endsAt) - Date.parse(silence.startsAt) - 3_600_000) < 5000)
  assert.ok(silence.matchers.some((m) => m.name === 'alertname' && m.value === 'HighLatency'))
  await accessible(page)
  await page.getByRole('button', { name: 'Wake it' }).click()
  await page.getByText('Snoozed by').waitFor({ state: 'detached' })
  // The name is known by now: one click less.
  await page.getByRole('button', { name: 'snooze' }).click()
  await page.getByRole('button', { name: /^until the morning/ }).click()
  await page.getByText('Snoozed by').waitFor()
}))

test('routing tells who is told, what keeps it quiet, who is next and what could inhibit it', () => visit({}, async ({ page, open }) => {
  await open('/alerts/routing')
  await page.getByLabel('labels of an alert').fill('alertname="X" severity="critical"')
  await page.getByText('It goes to').waitFor()
  const said = async () => page.getByRole('region', { name: 'where would this go' }).innerText()
  for (const part of [/but not now/, /inhibited\s+by HighLatency/, /muted\s+nightly by the time interval weekends/, /team by webhook, email\s+after 30s, with model="chat"/, /after 10m schedule models by ana-phone and 2 × more/, /an alert with severity="critical"\s+and the same model/]) {
    await eventually(async () => assert.match(await said(), part))
  }
}))

test('several values of a variable are chosen, kept in the address, and all again', () => visit({ axe: true }, async ({ page, open }) => {
  await open('/dashboards/kinds')
  const asked = []
  page.on('request', (request) => { if (request.url().includes('node_load1')) asked.push(decodeURIComponent(request.url().replace(/\+/g, ' '))) })
  const list = page.getByRole('group', { name: 'host' })
  await page.getByRole('button', { name: 'host: all' }).click()
  await list.getByRole('checkbox', { name: '10.0.0.5:9100' }).check()
  await list.getByRole('checkbox', { name: '10.0.0.6:9100' }).check()
  await page.waitForURL((url) => url.searchParams.getAll('var-host').join(' ') === '10.0.0.5:9100 10.0.0.6:9100')
  await accessible(page)
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'host: 2 of 2' }).waitFor()
  await eventually(async () => assert.ok(asked.some((url) => url.includes('instance=~"(10\\\\.0\\\\.0\\\\.5:9100|10\\\\.0\\\\.0\\\\.6:9100)"')), asked.join('\n')))
  await page.reload()
  await page.getByRole('button', { name: 'host: 2 of 2' }).click()
  await list.getByRole('button', { name: 'only 10.0.0.6:9100' }).click()
  await page.getByRole('button', { name: 'host: 10.0.0.6:9100' }).click()
  await list.getByRole('checkbox', { name: 'all' }).check()
  await page.waitForURL((url) => !url.search.includes('var-host'))
}))

test('a query that runs too long is found and ended, and the slow ones are listed', () => visit({}, async ({ page, open }) => {
  await open('/system?tab=queries')
  await page.getByText('sum(many_series)').waitFor()
  const slowest = page.getByRole('table', { name: 'slow queries' }).locator('tbody tr').first()
  await eventually(async () => assert.match(await slowest.innerText(), /3\.2 s[\s\S]*node_cpu_seconds_total/))
  await page.getByRole('button', { name: 'End it' }).click()
  await page.getByText('No query is running').waitFor()
}))

test('a target says how its labels came about, and a dropped one why', () => visit({ axe: true }, async ({ page, open, settled }) => {
  await open('/targets?refresh=5s')
  const steps = page.getByRole('region', { name: 'how its labels came about' })
  await page.getByRole('table', { name: 'targets of node' }).getByRole('button', { name: 'Steps' }).first().click()
  await steps.getByText('machine="10.0.0.5"').waitFor()
  for (let i = 0; i < 2; i += 1) await page.waitForResponse((reply) => reply.url().includes('/api/v1/targets'))
  await settled()
  assert.equal(await steps.count(), 1, 'it stays when the page asks again')
  await steps.getByRole('button', { name: 'close the steps' }).click()
  assert.match(await page.getByRole('table', { name: 'failing discovery' }).innerText(), /cloud[\s\S]*cannot be reached[\s\S]*never/)
  await page.getByRole('table', { name: 'dropped targets' }).getByRole('button', { name: 'Why?' }).click()
  await steps.getByText('dropped here').waitFor()
  await accessible(page)
}))

test('pipelines stand on the overview, the worst first, with the reason', () => visit({}, async ({ page, open }) => {
  await open('/')
  const first = page.getByRole('table', { name: 'pipelines' }).locator('tbody tr').first()
  await eventually(async () => assert.match(await first.innerText(), /degraded[\s\S]*ingest\s+22\.5 % fail/))
}))
