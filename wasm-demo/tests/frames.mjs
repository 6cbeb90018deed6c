// Frames while the page runs at full speed, from the browser's own trace: node frames.mjs

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { serveDemo } from './serve.mjs';

const require = createRequire(join(fileURLToPath(new URL('../../', import.meta.url)), 'target/browser/package.json'));
const { chromium } = require('playwright-core');
const executablePath = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/google-chrome'].find(existsSync);
const SECONDS = 5;

const demo = await serveDemo();
const browser = await chromium.launch({ executablePath, headless: true, args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] });
for (const form of ['lines', 'events']) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 720 } });
  await page.goto(`${demo.url}?speed=full&form=${form}`);
  await page.waitForFunction(() => globalThis.tillrace.state.base.length > 20);
  await browser.startTracing(page, { categories: ['devtools.timeline', 'disabled-by-default-devtools.timeline', 'disabled-by-default-devtools.timeline.frame'] });
  const rates = [];
  for (let second = 0; second < SECONDS; second += 1) {
    await page.waitForTimeout(1000);
    rates.push(await page.evaluate(() => globalThis.tillrace.state.status.records_per_second));
  }
  const trace = JSON.parse((await browser.stopTracing()).toString());
  const drawn = trace.traceEvents.filter(({ name }) => name === 'FireAnimationFrame').map(({ ts }) => ts).sort((a, b) => a - b);
  const gaps = drawn.slice(1).map((ts, index) => (ts - drawn[index]) / 1000).sort((a, b) => a - b);
  const work = trace.traceEvents.filter(({ name, dur }) => name === 'FireAnimationFrame' && dur).map(({ dur }) => dur / 1000).sort((a, b) => a - b);
  const at = (values, share) => (values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN).toFixed(1);
  const rate = rates.sort((a, b) => a - b)[SECONDS >> 1];
  console.log(`${form}: ${(rate / 1e6).toFixed(2)} million records/s; ${(drawn.length / SECONDS).toFixed(1)} frames/s, one every ${at(gaps, 0.5)} ms, 99 % within ${at(gaps, 0.99)} ms, longest ${at(gaps, 1)} ms; scripts of a frame take ${at(work, 0.5)} ms, 99 % ${at(work, 0.99)} ms`);
  await page.close();
}
await browser.close();
demo.close();
