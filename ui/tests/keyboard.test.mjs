// The journeys without a mouse: whoever cannot use one, and whoever has both hands on the keys at night.

import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { closeBrowser, eventually, visit } from './browser.mjs'

after(closeBrowser)

const TABS_MAX = 120

/** Presses Tab until what has the focus is the wanted control; so it can be reached, and the focus is never lost on the way. */
async function tabTo(page, wanted, settled) {
  await settled()
  for (let i = 0; i < TABS_MAX; i += 1) {
    await page.keyboard.press('Tab')
    const said = await page.evaluate(() => {
      const now = document.activeElement
      const style = now ? getComputedStyle(now) : null
      return { text: `${now?.getAttribute('aria-label') ?? ''} ${now?.labels?.[0]?.textContent ?? ''} ${now?.textContent ?? ''}`.replace(/\s+/g, ' ').trim(), seen: !!now?.getClientRects().length && style?.visibility !== 'hidden', body: now === document.body }
    })
    if (!said.body) assert.ok(said.seen, `the focus is on something that nobody sees: ${said.text.slice(0, 80)}`)
    if (wanted.test(said.text)) return
  }
  assert.fail(`${wanted} was not reached with ${TABS_MAX} tabs`)
}

/** Waits until the control of this label has the focus; a dialog gives it after it has been drawn. */
const focused = (page, label) => page.waitForFunction((text) => document.activeElement?.labels?.[0]?.textContent.includes(text), label)

test('keys alone: why is the model slow', () => visit({}, async ({ page, open, settled }) => {
  await open('/')
  await page.getByRole('table', { name: 'models' }).waitFor()
  await tabTo(page, /^to the content$/, settled)
  await page.keyboard.press('Enter')
  await tabTo(page, /^chat$/, settled)
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/models\/chat/)
  await page.getByRole('heading', { name: 'Latency, p95' }).waitFor()
  await tabTo(page, /^more about Latency, p95/, settled)
  await page.keyboard.press('Enter')
  await tabTo(page, /^Open in Explore$/, settled)
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/explore\?q=.*histogram_quantile/)
  await page.getByText('1 series').waitFor()
}))

test('keys alone: an alert is acknowledged, then silenced', () => visit({}, async ({ page, open, settled }) => {
  await open('/')
  await page.keyboard.press('g')
  await page.keyboard.press('a')
  await page.waitForURL(/\/alerts/)
  await page.getByRole('link', { name: 'HighLatency' }).waitFor()
  await tabTo(page, /^HighLatency$/, settled)
  await page.keyboard.press('Enter')
  await page.getByText('Value against its limit').waitFor()
  await tabTo(page, /^Acknowledge$/, settled)
  await page.keyboard.press('Enter')
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Who').waitFor()
  await focused(page, 'Who')
  await page.keyboard.type('night shift')
  await page.keyboard.press('Tab')
  await page.keyboard.type('looking at it')
  await page.keyboard.press('Enter')
  await page.getByText('night shift has it.').waitFor()
  await tabTo(page, /^Silence$/, settled)
  await page.keyboard.press('Enter')
  await dialog.getByText('1 firing alert is hidden by it now').waitFor()
  await focused(page, 'Why')
  await page.keyboard.type('known')
  await page.keyboard.press('Enter')
  await page.getByText(/Silenced by\s+night shift/).waitFor()
}))

test('keys alone: a query is written, made an alert and saved', () => visit({}, async ({ page, fake, open, settled }) => {
  await open('/explore')
  await page.locator('.cm-content').first().waitFor()
  await tabTo(page, /^query A/, settled)
  await page.keyboard.type('cpu_usage > 0.6')
  await page.keyboard.press('Escape')
  await page.keyboard.press('Enter')
  await page.getByText('2 series').waitFor()
  await tabTo(page, /^Alert$/, settled)
  await page.keyboard.press('Enter')
  await page.getByText(/It would have fired/).waitFor()
  await tabTo(page, /^Save the rule$/, settled)
  await page.keyboard.press('Enter')
  await page.getByText('Saved and in force').waitFor()
  assert.equal(fake.state.savedRules.size, 1)
}))

test('keys alone: a dashboard, several values, the cursor, the table', () => visit({}, async ({ page, open, settled }) => {
  await open('/dashboards/kinds')
  await tabTo(page, /^host: all/, settled)
  await page.keyboard.press('Enter')
  await tabTo(page, /10\.0\.0\.5:9100/, settled)
  await page.keyboard.press('Space')
  await page.waitForURL(/var-host=10\.0\.0\.5/)
  await page.keyboard.press('Escape')
  await page.getByRole('group', { name: /^Lines:/ }).waitFor()
  await tabTo(page, /^Lines:/, settled)
  await page.keyboard.press('ArrowLeft')
  await page.getByRole('group', { name: /^Lines:/ }).getByText(/\d{4}-\d{2}-\d{2} /).waitFor()
}))

test('a menu is left by Escape, by Tab and by a click beside it, and the focus is never lost', () => visit({}, async ({ page, open, settled }) => {
  await open('/models/chat')
  await page.getByRole('heading', { name: 'Latency, p95' }).waitFor()
  await settled()
  const button = page.getByRole('button', { name: 'more about Latency, p95' })
  const menu = page.getByRole('dialog', { name: 'more about Latency, p95' })
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent?.trim())
  await button.focus()
  await page.keyboard.press('Enter')
  await menu.waitFor()
  await eventually(async () => assert.equal(await focused(), 'Show as table'))
  assert.equal(await button.getAttribute('aria-expanded'), 'true')
  await page.keyboard.press('Escape')
  await menu.waitFor({ state: 'detached' })
  assert.equal(await focused(), 'more about Latency, p95')
  assert.equal(await button.getAttribute('aria-expanded'), 'false')
  // An entry that does its work closes it, and the focus is where it came from.
  await page.keyboard.press('Enter')
  await menu.getByRole('button', { name: 'Show as table' }).press('Enter')
  await menu.waitFor({ state: 'detached' })
  await eventually(async () => assert.equal(await focused(), 'more about Latency, p95'))
  await button.press('Enter')
  await menu.waitFor()
  await page.keyboard.press('Shift+Tab')
  await page.keyboard.press('Shift+Tab')
  await menu.waitFor({ state: 'detached' })
  await button.click()
  await menu.waitFor()
  await page.getByRole('heading', { level: 1 }).click()
  await menu.waitFor({ state: 'detached' })
  // The same button closes what it opened.
  await button.click()
  await menu.waitFor()
  await button.click()
  await menu.waitFor({ state: 'detached' })
}))

test('a menu stands within the screen wherever its button is', () => visit({ viewport: { width: 700, height: 500 } }, async ({ page, open, settled }) => {
  await open('/models/chat')
  await page.getByRole('heading', { name: 'Latency, p95' }).waitFor()
  await settled()
  const buttons = page.getByRole('button', { name: /^more about/ })
  for (const button of [buttons.first(), buttons.nth(1), buttons.last()]) {
    await button.scrollIntoViewIfNeeded()
    await button.click()
    const menu = page.getByRole('dialog', { name: /^more about/ })
    const { x, y, width, height } = await menu.boundingBox()
    assert.ok(x >= 0 && y >= 0 && x + width <= 700 && y + height <= 500, JSON.stringify({ x, y, width, height }))
    await page.keyboard.press('Escape')
    await menu.waitFor({ state: 'detached' })
  }
}))
