// A real, headless Chromium and what the tests of the page share. The first argument of the command is a folder for what they make.
//
// Every check has a name that claims something; what does not hold is printed, and the exit code is 1.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url));
export const work = process.argv[2];
export const DESKTOP = { width: 1280, height: 720 };
export const PHONE = { width: 390, height: 844 };
const require = createRequire(join(root, 'target/browser/package.json'));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const executablePath = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
export const SLOW_MS = 30_000;

// Playwright gives the browser a new, empty profile of its own, and removes it.
const chrome = await chromium.launch({ executablePath, headless: true, args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] });
export const browser = await chrome.newContext({ viewport: DESKTOP, acceptDownloads: true });

let passed = 0;
let failed = 0;

/** A page that must not complain: an error of a script, of the console or of the content security policy fails the check. */
async function open(url, options = {}) {
  const page = await browser.newPage();
  page.complaints = [];
  page.on('pageerror', (error) => page.complaints.push(error.stack));
  page.on('console', (message) => {
    if (message.type() === 'error') page.complaints.push(`${message.text()} (${message.location().url})`);
  });
  page.requests = [];
  page.on('request', (request) => page.requests.push(request.url()));
  await page.emulateMedia({ colorScheme: options.theme ?? 'light', reducedMotion: options.still ? 'reduce' : 'no-preference' });
  await page.setViewportSize(options.size ?? DESKTOP);
  await page.goto(url);
  return page;
}

export async function check(claim, body) {
  const pages = [];
  const opened = async (...values) => {
    const page = await open(...values);
    pages.push(page);
    return page;
  };
  try {
    await body(opened);
    for (const page of pages) assert.deepEqual(page.complaints, [], 'the page complains');
    passed += 1;
    console.log(`ok      ${claim}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${claim}\n        ${String(error.stack ?? error).split('\n').slice(0, 12).join('\n        ')}`);
    if (pages[0]) await pages[0].screenshot({ path: join(work, `failed-${failed}.png`) }).catch(() => {});
  } finally {
    for (const page of pages) await page.close();
  }
}

export const known = (page, look, argument) => page.evaluate(look, argument);
export const until = (page, look, argument) => page.waitForFunction(look, argument, { timeout: SLOW_MS });
export const records = () => globalThis.tillrace.state.status?.records ?? 0;
export const number = (text) => Number(text.replaceAll(',', ''));
export const hasWindows = (count) => globalThis.tillrace.state.base.length >= count;
export const isEnded = () => globalThis.tillrace.state.end !== null;

/** Serious findings of axe. */
export async function findings(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html.slice(0, 120)} ${failureSummary}`).join(' | ').slice(0, 500)}`);
}

/** Nothing sticks out to the right. */
export async function width(page) {
  return page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
}

/** Ends the browser, says how many checks have passed, and ends the process. */
export async function finish() {
  await chrome.close();
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}
