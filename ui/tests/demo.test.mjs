// Every page and the great journeys against a real server: `LAPWING_DEMO=http://… node --test tests/demo.test.mjs` with the
// address of a running `lapwing demo`. Without an address there is nothing to test and every test is skipped.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, test } from 'node:test'
import { PHONE, accessible, closeBrowser, crowding, cutOff, eventually, processorOf, visit } from './browser.mjs'

after(closeBrowser)

const url = process.env.LAPWING_DEMO?.replace(/\/$/, '')
const skip = url ? false : 'LAPWING_DEMO names no running demo'
const real = (options, journey) => visit({ ...options, url }, journey)

const P95 = encodeURIComponent('histogram_quantile(0.95, sum by (le) (rate(vllm:e2e_request_latency_seconds_bucket[5m])))')
const PAGES = {
  '/': 'Models', '/models/chat': 'Latency, p95', '/models/embed': 'Share of errors', '/models/rerank': 'Requests', '/alerts': 'EmbedErrors',
  '/alerts/silences': 'the old exporter is being taken out', '/alerts/deliveries': 'Dead letters', '/alerts/record': 'a receiver was not reached',
  '/alerts/routing': 'Where would this go?', '/health': 'For others', '/explore': 'Write a query', [`/explore?from=now-12h&q=${P95}`]: '1 series',
  [`/explore?tab=heatmap&from=now-12h&q=${P95}`]: 'most of it between', [`/explore?tab=explain&q=${P95}`]: 'What it costs', '/dashboards': 'Ready',
  '/dashboards/vllm': 'KV cache used', '/dashboards/gpu': 'GPU power', '/rules': 'EngineWedged', '/targets': '503', '/system': 'Running',
  '/system?tab=cardinality': 'Series by metric', '/system?tab=config': 'command line', '/system?tab=queries': 'Slowest of the last day', '/system?tab=rules': 'slowest rule', '/system?tab=delivery': '410 Gone', '/system?tab=doctor': 'NVML answers|no NVIDIA driver|GPU driver',
  '/system?tab=ingestion': 'Samples scraped', '/alerts/oncall': 'Who has it now', '/health?tab=events': 'Changes of state', '/health?tab=repairs': 'restart the engine',
}

for (const [path, text] of Object.entries(PAGES)) {
  for (const scheme of ['light', 'dark']) {
    test(`the demo: ${decodeURIComponent(path)} in ${scheme}`, { skip }, () => real({ scheme, axe: true }, async ({ page, open, settled }) => {
      await open(path)
      await page.locator('main').getByText(text.includes('|') ? new RegExp(text) : text).first().waitFor()
      await settled()
      await accessible(page)
    }))
  }
  test(`the demo: ${decodeURIComponent(path)} on a phone`, { skip }, () => real({ viewport: PHONE }, async ({ page, open, settled }) => {
    await open(path)
    // Where rows flow, heads of columns are not seen.
    await page.locator('main').getByText(text === 'slowest rule' ? 'Groups of rules' : text.includes('|') ? new RegExp(text) : text).filter({ visible: true }).first().waitFor()
    await settled()
    assert.deepEqual(await cutOff(page), [])
  }))
}

test('the demo: the overview is drawn soon after navigation', { skip }, (t) => real({}, async ({ page, open }) => {
  await page.addInitScript(() => {
    const look = () => {
      const row = document.querySelector('table[aria-label=models] tbody tr')
      if (row) window.first ??= performance.now()
      if (row && /\d ?\/s/.test(row.innerText)) window.drawn = performance.now()
      else requestAnimationFrame(look)
    }
    requestAnimationFrame(look)
  })
  const busy = await processorOf(page)
  await open('/')
  const times = []
  const work = []
  let crowd = crowding()
  for (let i = 0; i < 6; i += 1) {
    await page.reload()
    await page.waitForFunction(() => window.drawn)
    work.push(Math.round(await busy()))
    crowd = Math.max(crowd, crowding())
    times.push(await page.evaluate(() => [Math.round(window.first), Math.round(window.drawn)]))
  }
  const best = (at) => Math.min(...times.map((time) => time[at]))
  t.diagnostic(`overview: models listed after ${times.map(([first]) => first).join(', ')} ms, with their figures after ${times.map(([, drawn]) => drawn).join(', ')} ms (aim: 300), ${work.join(', ')} ms of them work of the page; the machine gives ${Math.round(100 / crowd)} % of itself`)
  // Generous, for a server built for debugging, and more so where others take the machine's time.
  assert.ok(Math.min(...work) < 1000, String(work))
  assert.ok(best(0) < 1500 * crowd && best(1) < 2500 * crowd, `${JSON.stringify(times)} ${crowd}`)
}))

test('the demo: why was embed bad? overview, model, alert, record', { skip }, () => real({}, async ({ page, open }) => {
  await open('/')
  const first = page.getByRole('table', { name: 'models' }).locator('tbody tr').first()
  await first.getByText('critical').waitFor()
  await eventually(async () => assert.match(await first.innerText(), /embed/))
  await first.getByRole('link', { name: 'embed', exact: true }).click()
  await page.getByRole('link', { name: 'EmbedErrors' }).first().click()
  await page.getByText('Value against its limit').waitFor()
  await page.getByRole('region', { name: 'decisions' }).getByText('delivered').first().waitFor()
}))

test('the demo: acknowledge and silence, and the page hears of it by itself', { skip }, () => real({}, async ({ page, open }) => {
  await open('/alerts?refresh=5m')
  await page.getByRole('link', { name: 'EmbedErrors' }).click()
  await page.getByRole('button', { name: 'Acknowledge' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel(/who/i).fill('night shift')
  await dialog.getByLabel(/comment|what|why/i).first().fill('rolling back')
  await dialog.getByRole('button', { name: 'Acknowledge' }).click()
  await page.getByText('night shift has it.').waitFor()
  // Another hand, elsewhere: the open page follows within seconds although it refreshes every five minutes.
  const id = await page.evaluate(async () => {
    const now = Date.now()
    const body = {
      matchers: [{ name: 'alertname', value: 'EmbedErrors', isRegex: false, isEqual: true }], startsAt: new Date(now).toISOString(), endsAt: new Date(now + 600_000).toISOString(), createdBy: 'another hand', comment: 'elsewhere',
    }
    const reply = await fetch('/api/v2/silences', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
    return (await reply.json()).silenceID
  })
  await page.getByText('Silenced by').waitFor()
  await page.evaluate((silence) => fetch(`/api/v2/silence/${silence}`, { method: 'DELETE' }), id)
  await page.getByText('Silenced by').waitFor({ state: 'detached' })
  await page.getByRole('button', { name: 'Give it back' }).click()
  await page.getByRole('button', { name: 'Acknowledge' }).waitFor()
}))

test('the demo: where would this go?', { skip }, () => real({}, async ({ page, open }) => {
  await open('/alerts/routing')
  await page.getByLabel('labels of an alert').fill('alertname="X" severity="critical" team="search"')
  await page.getByText('It goes to').waitFor()
  const said = page.getByRole('region', { name: 'where would this go' })
  await eventually(async () => {
    assert.match(await said.innerText(), /oncall, search-team, console/)
    assert.match(await said.innerText(), /after 10m schedule models by/)
  })
  await page.getByLabel('labels of an alert').fill('alertname="X" severity="warning" model="embed"')
  await page.getByText('inhibited', { exact: true }).waitFor()
  await page.getByRole('region', { name: 'where would this go' }).getByRole('link', { name: /EmbedErrors|high_error_rate/ }).first().waitFor()
  await page.getByLabel('labels of an alert').fill('alertname=~"X"')
  await page.getByText('an alert has plain values').waitFor()
}))

test('the demo: an alert is made of a query, tried on a week, saved, and in force', { skip }, () => real({}, async ({ page, open }) => {
  await open(`/explore?draft=1&limit=12&q=${P95}`)
  await page.getByText('Make an alert of this').waitFor()
  await page.getByText(/It would have fired \d+ time/).waitFor()
  await page.getByText(/It would have sent \d+ page|Nobody would have been told/).waitFor()
  await page.getByLabel('Name', { exact: true }).fill('ChatTakesLong')
  await eventually(async () => assert.match(await page.getByRole('region', { name: 'what changes' }).innerText(), /\+ +- alert: "ChatTakesLong"/))
  await page.getByRole('button', { name: 'Save the rule' }).click()
  await page.getByText('Saved and in force').waitFor()
  await page.getByRole('link', { name: 'ChatTakesLong' }).click()
  await page.getByRole('table', { name: 'rules of ChatTakesLong' }).getByText('ChatTakesLong', { exact: true }).waitFor()
  await page.getByText('chat-takes-long.yml').waitFor()
}))

test('the demo: a rule that is about a model by its own labels stands on its page', { skip }, () => real({}, async ({ page, open }) => {
  await open('/models/chat')
  await page.getByRole('region', { name: 'rules about it' }).getByRole('link', { name: 'ChatSlow' }).waitFor()
}))

test('the demo: a model without a kind of series has no empty panel for it', { skip }, () => real({}, async ({ page, open, settled }) => {
  await open('/models/rerank')
  await page.getByRole('heading', { name: 'Share of errors' }).waitFor()
  await page.getByText('Where its samples come from').waitFor()
  await settled()
  assert.equal(await page.getByText('no data in this range').count(), 0)
  assert.equal(await page.getByRole('heading', { name: 'KV cache used' }).count(), 0)
}))

test('the demo: several values of a variable reach the server, and it answers for those', { skip }, () => real({}, async ({ page, open }) => {
  await open('/dashboards/vllm?var-model=chat&var-model=no.such%22model')
  await page.getByRole('button', { name: /^model: 2 of/ }).waitFor()
  await page.getByRole('region', { name: 'Requests per second' }).getByText('chat').waitFor()
}))

test('the demo: a graph is saved as a PDF', { skip }, () => real({}, async ({ page, open }) => {
  await open('/models/chat')
  await page.getByRole('button', { name: 'more about Latency, p95' }).click()
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Save as PDF' }).click()])
  assert.equal(file.suggestedFilename(), 'Latency-p95.pdf')
  assert.match(await readFile(await file.path(), 'latin1'), /^%PDF-1\.7[\s\S]*\/FontFile3[\s\S]*%%EOF$/)
}))

test('the demo: a whole dashboard is saved as a PDF, with what is chosen in it', { skip }, () => real({}, async ({ page, open }) => {
  await open('/dashboards/vllm?var-model=chat&from=now-6h')
  await page.getByText('KV cache used').first().waitFor()
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'PDF' }).click()])
  assert.equal(file.suggestedFilename(), 'vLLM.pdf')
  const text = await readFile(await file.path(), 'latin1')
  assert.match(text, /^%PDF-1\.7[\s\S]*%%EOF$/)
  assert.ok(Number(/\/Count (\d+)/.exec(text)[1]) >= 2, 'more than one page')
}))

test('the demo: a model is saved as a report', { skip }, () => real({}, async ({ page, open, settled }) => {
  await open('/models/chat')
  await page.getByRole('heading', { name: 'Latency, p95' }).waitFor()
  await settled()
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'PDF' }).click()])
  assert.equal(file.suggestedFilename(), 'chat.pdf')
  const text = await readFile(await file.path(), 'latin1')
  assert.match(text, /^%PDF-1\.7[\s\S]*%%EOF$/)
  assert.ok(Number(/\/Count (\d+)/.exec(text)[1]) >= 2, 'state and graphs fill more than one page')
}))

test('the demo: a dashboard is edited, compared, and saved into its file', { skip }, () => real({ tolerate: /400/ }, async ({ page, open }) => {
  await open('/dashboards/vllm')
  await page.getByText('KV cache used').first().waitFor()
  await page.getByRole('button', { name: 'Edit' }).click()
  const text = page.getByLabel('YAML of the dashboard')
  await eventually(async () => assert.match(await text.inputValue(), /title: Requests finished/))
  const yaml = await text.inputValue()
  await text.fill(yaml.replace('expr: ', 'expression: '))
  await page.getByRole('alert').getByText('expression').waitFor()
  await text.fill(yaml.replace('title: Requests finished', 'title: Requests that ended'))
  await page.getByRole('heading', { name: 'Requests that ended' }).waitFor()
  await page.getByText('2 lines differ').waitFor()
  await page.getByLabel('name of the file').fill('mine')
  await page.getByRole('button', { name: 'Save the file' }).click()
  await page.waitForURL(/\/dashboards\/mine/)
  await page.getByRole('heading', { name: 'Requests that ended' }).waitFor()
  await page.goto(`${url}/dashboards`)
  await page.getByText('mine.yml').waitFor()
}))

test('the demo: pages without scripts', { skip }, () => real({}, async ({ page }) => {
  for (const [path, text] of [['/plain', 'embed'], ['/plain/alerts', 'EmbedErrors'], ['/plain/query?query=up', 'series'], ['/status', 'models are']]) {
    const reply = await page.goto(url + path)
    assert.equal(reply.status(), 200, path)
    await page.getByText(text).first().waitFor()
    const broken = await page.evaluate(() => [...document.images].filter((image) => image.complete && image.naturalWidth === 0).map((image) => image.src))
    assert.deepEqual(broken, [], path)
  }
}))
