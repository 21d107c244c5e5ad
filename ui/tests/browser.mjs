// One real browser for all journeys; each journey has its own backend and its own page, watched for errors.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'
import { start } from '../dev/fake.mjs'

const ARGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
]
/** How long anything may take before it counts as never. A machine under load is slow; what is broken stays broken. */
export const PATIENCE_MS = 90_000
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
let shared

export async function browser() {
  shared ??= await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ARGS, timeout: PATIENCE_MS })
  return shared
}

/** Repeats `check` until it does not throw; what still throws when the patience is over is the failure. */
export async function eventually(check, patienceMs = PATIENCE_MS) {
  const until = Date.now() + patienceMs
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (Date.now() > until) throw error
    }
    await new Promise((done) => setTimeout(done, 50))
  }
}

/** Waits until the element stands still, and says where. */
export async function steadyBox(locator) {
  await locator.waitFor()
  let before = null
  return eventually(async () => {
    const now = await locator.boundingBox()
    const same = now !== null && JSON.stringify(now) === JSON.stringify(before)
    before = now
    assert.ok(same, 'it moves')
    return now
  })
}

export async function closeBrowser() {
  await shared?.close()
}

/**
 * Runs `journey({ page, fake, open, settled })` and then fails on console errors and on requests to another host. With
 * `options.url` it goes to the server there, else to a fake of its own. `settled` waits until all that was asked is answered
 * and drawn.
 */
export async function visit(options, journey) {
  const fake = options.url ? { url: options.url, stop: async () => undefined } : await start(options)
  const context = await (await browser()).newContext({
    viewport: options.viewport ?? { width: 1440, height: 900 }, colorScheme: options.scheme ?? 'light', acceptDownloads: true, bypassCSP: options.axe ?? false,
  })
  context.setDefaultTimeout(PATIENCE_MS)
  const page = await context.newPage()
  const asked = new Set()
  const errors = []
  const tolerated = options.tolerate ?? /^$/
  page.on('console', (message) => {
    if (message.type() === 'error' && !tolerated.test(message.text())) errors.push(message.text())
  })
  page.on('pageerror', (error) => errors.push(String(error.stack)))
  page.on('request', (request) => {
    const url = request.url()
    if (!url.startsWith(fake.url) && !url.startsWith('data:') && !url.startsWith('blob:')) errors.push(`a request to another host: ${url}`)
    // The stream of events is open for as long as the page is.
    if (!url.endsWith('/api/v1/events')) asked.add(request)
  })
  for (const end of ['requestfinished', 'requestfailed']) page.on(end, (request) => asked.delete(request))
  const drawn = () => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)))))
  const settled = () => eventually(async () => {
    await drawn()
    assert.deepEqual([...asked].map((request) => request.url()), [], 'still asked')
    await drawn()
    assert.equal(asked.size, 0, 'an answer was followed by another question')
  })
  const open = async (path) => {
    await page.goto(fake.url + path)
    await page.waitForSelector('main :is(section, .note)')
  }
  try {
    await journey({ page, fake, open, settled })
    assert.deepEqual(errors, [])
  } finally {
    await context.close()
    await fake.stop().catch(() => undefined)
  }
}

/** A phone that many have; the smallest that is still sold is 15 pixels narrower, and the test stands on both. */
export const PHONE = { width: 390, height: 844 }

/** What is wider than it may be: the page itself, and each table, row of tabs or tree that is cut off at the side. */
export async function cutOff(page) {
  return page.evaluate(() => {
    const boxes = [...document.querySelectorAll('main .scroll, main .tabs, main .tree, nav ul')].filter((box) => box.scrollWidth > box.clientWidth + 1)
    const said = boxes.map((box) => `${box.scrollWidth} > ${box.clientWidth}: ${box.innerText.slice(0, 80)}`)
    const over = document.documentElement.scrollWidth - document.documentElement.clientWidth
    return over > 0 ? [...said, `the page is ${over} px wider than the screen`] : said
  })
}

/** How many milliseconds of the processor the page has used up to now: what waits for others' work is not counted. */
export async function processorOf(page) {
  const session = await page.context().newCDPSession(page)
  await session.send('Performance.enable', { timeDomain: 'threadTicks' })
  return async () => {
    const { metrics } = await session.send('Performance.getMetrics')
    return metrics.find(({ name }) => name === 'TaskDuration').value * 1000
  }
}

/** How much longer work takes than it would on an idle machine, 1 for no longer: what others leave of the processor. */
export function crowding() {
  const WORK_MS = 50
  const from = performance.now()
  const before = process.cpuUsage()
  let used = 0
  while (used < WORK_MS) {
    const { user, system } = process.cpuUsage(before)
    used = (user + system) / 1000
  }
  return Math.max(1, (performance.now() - from) / used)
}

/** Fails on findings of axe that are serious or worse. A page that fades something in is looked at again. */
export async function accessible(page) {
  await page.waitForFunction(() => document.getAnimations().every((one) => one.playState !== 'running' || one.effect?.getComputedTiming().endTime === Infinity))
  await eventually(async () => assert.deepEqual(await findings(page), []), 15_000)
}

/** A line each. */
async function findings(page) {
  await page.evaluate(AXE)
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }))
  return violations
    .filter((violation) => violation.impact === 'serious' || violation.impact === 'critical')
    .flatMap((violation) => violation.nodes.map((node) => `${violation.id}: ${node.target.join(' ')} ${node.any?.[0]?.message ?? ''}`))
}
