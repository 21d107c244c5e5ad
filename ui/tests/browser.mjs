// One real browser for all journeys; each journey has its own backend and its own page, watched for errors.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'
import { start } from '../dev/fake.mjs'

const ARGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
]
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
let shared

export async function browser() {
  shared ??= await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ARGS })
  return shared
}

export async function closeBrowser() {
  await shared?.close()
}

/**
 * Runs `journey({ page, fake, open })` and then fails on console errors and on requests to another host. With
 * `options.url` it goes to the server there, else to a fake of its own.
 */
export async function visit(options, journey) {
  const fake = options.url ? { url: options.url, stop: async () => undefined } : await start(options)
  const context = await (await browser()).newContext({
    viewport: options.viewport ?? { width: 1440, height: 900 }, colorScheme: options.scheme ?? 'light', acceptDownloads: true, bypassCSP: options.axe ?? false,
  })
  const page = await context.newPage()
  const errors = []
  const tolerated = options.tolerate ?? /^$/
  page.on('console', (message) => {
    if (message.type() === 'error' && !tolerated.test(message.text())) errors.push(message.text())
  })
  page.on('pageerror', (error) => errors.push(String(error.stack)))
  page.on('request', (request) => {
    const url = request.url()
    if (!url.startsWith(fake.url) && !url.startsWith('data:') && !url.startsWith('blob:')) errors.push(`a request to another host: ${url}`)
  })
  const open = async (path) => {
    await page.goto(fake.url + path)
    await page.waitForSelector('main :is(section, .note)')
  }
  try {
    await journey({ page, fake, open })
    assert.deepEqual(errors, [])
  } finally {
    await context.close()
    await fake.stop().catch(() => undefined)
  }
}

/** Findings of axe that are serious or worse, in a line each. */
export async function axe(page) {
  await page.evaluate(AXE)
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }))
  return violations
    .filter((violation) => violation.impact === 'serious' || violation.impact === 'critical')
    .flatMap((violation) => violation.nodes.map((node) => `${violation.id}: ${node.target.join(' ')} ${node.any?.[0]?.message ?? ''}`))
}
