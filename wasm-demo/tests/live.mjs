// The page that `tillrace run --dashboard` serves, in a real, headless Chromium: see run.sh.
//
//   node live.mjs WORK    WORK is a folder for lakes and screenshots; TILLRACE names the binary

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { check, DESKTOP, findings, finish, hasWindows, isEnded, known, PHONE, root, until, width, work } from './chromium.mjs';

const tillrace = resolve(root, process.env.TILLRACE ?? 'target/debug/tillrace');
const TOKEN = 'correct-horse-battery-staple';
const SHOP = ['--rate', '300', '--window', '2s', '--lateness', '1s', '--rollup', '10s,1d', '--malformed', '0.01'];

/** What runs; ended with this process at the latest. */
const runs = [];
process.on('exit', () => runs.forEach((run) => run.kill('SIGKILL')));

/** Starts a run with a dashboard; resolves once it says where. */
async function start(args, { address = '127.0.0.1:0', lake = join(mkdtempSync(join(resolve(work), 'live-')), 'lake'), env = {} } = {}) {
  const run = spawn(tillrace, ['run', '--dashboard', address, '--lake', lake, ...args], { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe'] });
  runs.push(run);
  const ended = new Promise((resolve) => run.on('exit', resolve));
  let said = '';
  const url = await new Promise((resolve, reject) => {
    run.stderr.on('data', (bytes) => {
      said += bytes;
      const found = /^dashboard: (\S+)$/m.exec(said);
      if (found) resolve(found[1]);
    });
    ended.then((code) => reject(new Error(`tillrace ended with ${code}: ${said}`)));
  });
  const stop = async (signal = 'SIGINT') => {
    run.kill(signal);
    return ended;
  };
  return { url, lake, address: new URL(url).host, stop };
}

/** Rows of a lake. */
function show(lake, ...args) {
  const lines = execFileSync(tillrace, ['show', lake, ...args, '--output', 'json'], { encoding: 'utf8', maxBuffer: 1 << 28 });
  return lines.split('\n').filter(Boolean).map((line) => JSON.parse(line));
}

/** That the engine was not there for a while is what was tested: the browser may say so. */
function forgive(...pages) {
  for (const page of pages) page.complaints = page.complaints.filter((text) => !/net::ERR_(CONNECTION|INCOMPLETE|EMPTY|INTERNET)/.test(text));
}

const cents = (text) => Number(text.replace('.', ''));
const closedOf = (grain) => (globalThis.tillrace.state.closed.get(grain) ?? []).map(({ message, ...figures }) => figures);

/** What the page knows of the closed windows of a grain is what the lake holds, as far as both go. */
async function assertEqualsLake(page, lake, grain) {
  const told = await known(page, closedOf, grain);
  const rows = new Map(show(lake, `kpis_${grain}`).map((row) => [Date.parse(row.window_start), row]));
  assert.ok(told.length > 0, `no window of ${grain}`);
  for (const window of told) {
    const row = rows.get(window.start);
    assert.ok(row, `the lake has no window at ${new Date(window.start).toISOString()}`);
    assert.deepEqual([window.revenue, window.orders, window.customers], [cents(row.revenue), row.orders, row.unique_customers]);
  }
  return { told: told.length, rows: rows.size };
}

await check('the live page follows a run, and its closed windows are the lake’s', async (opened) => {
  const run = await start(SHOP);
  const page = await opened(run.url);
  await until(page, hasWindows, 3);
  assert.equal(await page.textContent('#connection-text'), 'Live');
  assert.equal(await page.locator('.demo-only:visible').count(), 0);
  await until(page, () => globalThis.tillrace.state.open.windows.some(({ unique_customers }) => unique_customers > 0));
  const events = () => {
    const { open, base } = globalThis.tillrace.state;
    return [...open.windows, ...base].reduce((sum, window) => sum + window.events, 0);
  };
  const before = await known(page, events);
  await until(page, (before) => {
    const { open, base } = globalThis.tillrace.state;
    return [...open.windows, ...base].reduce((sum, window) => sum + window.events, 0) > before + 300;
  }, before);
  const { lag_ms: lag, records_per_second: rate } = await known(page, () => globalThis.tillrace.state.status);
  assert.ok(lag !== null && Math.abs(lag) < 60_000, `lag ${lag}`);
  assert.ok(rate > 100, `${rate} records a second`);
  await until(page, hasWindows, 6);
  const { told } = await assertEqualsLake(page, run.lake, '2s');
  assert.ok(told >= 6);
  assert.ok(page.requests.every((url) => url.startsWith(run.url)), 'nothing comes from elsewhere');
  // Somebody who comes later has the same history.
  const later = await opened(run.url);
  await until(later, hasWindows, told);
  await assertEqualsLake(later, run.lake, '2s');
  assert.equal(await run.stop(), 0);
  await until(page, isEnded);
  forgive(page, later);
});

await check('the page survives the end and the crash of the engine, and shows the next one', async (opened) => {
  let run = await start(SHOP);
  const page = await opened(run.url);
  let last = null;
  for (const signal of ['SIGINT', 'SIGKILL', null]) {
    await until(page, (last) => globalThis.tillrace.state.hello?.run !== last && globalThis.tillrace.state.base.length >= 2, last);
    assert.equal(await page.textContent('#connection-text'), 'Live');
    last = await known(page, () => globalThis.tillrace.state.hello.run);
    await assertEqualsLake(page, run.lake, '2s');
    if (signal === null) break;
    await run.stop(signal);
    await until(page, (state) => document.getElementById('connection').dataset.state === state, signal === 'SIGINT' ? 'ended' : 'lost');
    const shown = await known(page, () => globalThis.tillrace.state.base.length);
    assert.ok(shown >= 2, 'figures stay while nobody answers');
    run = await start(SHOP, { address: run.address });
  }
  await run.stop();
  forgive(page);
});

await check('a page that loses its connection goes on without a gap and without a window twice', async (opened) => {
  const run = await start(SHOP);
  const page = await opened(run.url);
  await until(page, hasWindows, 2);
  await page.context().setOffline(true);
  await page.waitForTimeout(5_000);
  await page.context().setOffline(false);
  await until(page, hasWindows, 6);
  const starts = await known(page, () => globalThis.tillrace.state.base.map(({ start }) => start));
  for (const [index, start] of starts.entries()) assert.equal(start, starts[0] + 2_000 * index);
  await assertEqualsLake(page, run.lake, '2s');
  await run.stop();
  forgive(page);
});

await check('a file that has been read stays to be looked at, and a page that comes after its end shows it', async (opened) => {
  const run = await start(['--input', join(root, 'engine/samples/day.jsonl.gz'), '--dashboard-linger']);
  const page = await opened(run.url);
  await until(page, isEnded);
  const late = await opened(run.url);
  await until(late, isEnded);
  for (const shown of [page, late]) {
    for (const grain of ['1m', '1h', '1d']) {
      const { told, rows } = await assertEqualsLake(shown, run.lake, grain);
      assert.equal(told, rows, `all windows of ${grain}`);
    }
    assert.equal(await shown.textContent('#connection-text'), 'All read');
  }
  await page.waitForTimeout(3_000);
  assert.equal(page.requests.filter((url) => url.endsWith('/api/v1/stream')).length, 1, 'it stays connected');
  assert.equal(await run.stop(), 0);
  await page.waitForTimeout(500);
  assert.equal(await page.textContent('#connection-text'), 'All read', 'that nobody answers then is no news');
  forgive(page, late);
});

await check('names that are markup show as text', async (opened) => {
  const markup = '<img src=x onerror="globalThis.broken=1"><script>globalThis.broken=2</script>';
  const short = '<script>broken=3</script>';
  const product = (id, second) => ({ event_type: 'product', event_id: id, event_time: `2026-01-01T00:0${second}:00Z`, product_id: short, name: markup, category: short, price: '2.00' });
  const order = (id, second) => ({ event_type: 'order', event_id: id, event_time: `2026-01-01T00:0${second}:30Z`, customer_id: 'c', order_id: id, currency: 'USD', total: '2.00', items: [{ product_id: short, quantity: 1, unit_price: '2.00' }] });
  const payment = (id, second) => ({ event_type: 'payment', event_id: id, event_time: `2026-01-01T00:0${second}:31Z`, order_id: id, payment_id: id, currency: 'USD', method: '<b>card</b>', amount: '2.00', status: 'failed', failure_reason: '<u>no</u>' });
  const file = join(mkdtempSync(join(resolve(work), 'live-')), 'shop.jsonl');
  const lines = [0, 1, 2].flatMap((minute) => [product(`p${minute}`, minute), order(`o${minute}`, minute), payment(`y${minute}`, minute)]);
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const run = await start(['--input', file, '--dashboard-linger', '--rollup', 'none']);
  const page = await opened(run.url);
  await until(page, isEnded);
  await until(page, (markup) => document.getElementById('products').textContent.includes(markup), markup);
  assert.ok((await page.textContent('#categories')).includes(short));
  assert.equal(await known(page, () => globalThis.broken), undefined);
  assert.equal(await page.locator('main script, main img[src="x"], main b, main u').count(), 0, 'no element was made of a name');
  await run.stop();
  forgive(page);
});

await check('with a token in its address the page works, its address is clean, and nobody else looks', async (opened) => {
  const run = await start(SHOP, { env: { TILLRACE_DASHBOARD_TOKEN: TOKEN } });
  const page = await opened(`${run.url}?token=${TOKEN}`);
  await until(page, hasWindows, 1);
  assert.equal(page.url(), run.url);
  assert.equal(await known(page, () => document.cookie), '', 'no script reads the token');
  await page.reload();
  await until(page, hasWindows, 1);
  assert.equal((await fetch(run.url)).status, 401);
  await page.context().clearCookies();
  await run.stop();
  forgive(page);
});

const shop = await start(['--rate', '400', '--window', '5s', '--lateness', '2s', '--rollup', '1h,1d', '--malformed', '0.005']);
for (const [name, theme, size] of [
  ['live-light', 'light', DESKTOP],
  ['live-dark', 'dark', DESKTOP],
  ['live-phone', 'light', PHONE],
]) {
  await check(`${name} has no serious finding of axe, nothing sticks out, and is looked at`, async (opened) => {
    const page = await opened(shop.url, { theme, size });
    await until(page, hasWindows, 5);
    await page.waitForTimeout(2_500);
    await page.screenshot({ path: join(work, `${name}.png`), fullPage: true });
    const [content, window] = await width(page);
    assert.ok(content <= window, `the page is ${content} wide in a window of ${window}`);
    assert.deepEqual(await findings(page), []);
  });
}
await shop.stop();
await finish();
