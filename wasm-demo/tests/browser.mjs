// The page in a real, headless Chromium: see run.sh.
//
//   node browser.mjs WORK    WORK holds what run.sh has made; downloads go to WORK/browser
//
// Every check has a name that claims something; what does not hold is printed, and the exit code is 1.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

import { browser, check, DESKTOP, findings, finish, hasWindows, isEnded, known, number, PHONE, records, root, SLOW_MS, until, width, work } from './chromium.mjs';
import { load } from './engine.mjs';
import { serveDemo, serveLive } from './serve.mjs';

const shots = join(root, 'wasm-demo/screenshots');
const demo = await serveDemo();

/** Drops a file on the page, as a hand would. */
async function drop(page, path) {
  const transfer = await page.evaluateHandle(
    async ([base64, name]) => {
      const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], name));
      return transfer;
    },
    [readFileSync(path).toString('base64'), basename(path)],
  );
  for (const type of ['dragenter', 'dragover', 'drop']) await page.dispatchEvent('main', type, { dataTransfer: transfer });
}

await check('the demo starts and its figures move', async (opened) => {
  const page = await opened(demo.url);
  await until(page, hasWindows, 3);
  const [before, revenue] = [await known(page, records), number(await page.textContent('#kpi-revenue'))];
  assert.ok(revenue > 0, `revenue is ${revenue}`);
  await until(page, (before) => globalThis.tillrace.state.status.records > before + 1000, before);
  await until(page, (revenue) => document.getElementById('kpi-revenue').textContent !== revenue, await page.textContent('#kpi-revenue'));
  assert.match(await page.textContent('#quality-note'), /the ledger adds up/);
  const ledger = await known(page, () => globalThis.tillrace.state.status);
  assert.equal(ledger.records, ledger.accepted + ledger.duplicates + ledger.late + ledger.rejected);
  assert.equal(await page.locator('#products li').count(), 6);
  assert.equal(await page.locator('#funnel li').count(), 4);
});

await check('nothing is asked of any other server, and the Parquet writer only when it is needed', async (opened) => {
  const page = await opened(demo.url);
  await until(page, hasWindows, 3);
  assert.deepEqual(page.requests.filter((url) => !url.startsWith(demo.url) && !url.startsWith('data:')), []);
  assert.deepEqual(page.requests.filter((url) => url.includes('parquet') || url.includes('scalar')), []);
});

await check('the engine without SIMD gives the same figures as the one with it, and structs the same as JSON Lines', async (opened) => {
  const figures = [];
  for (const query of ['?speed=full', '?speed=full&engine=scalar', '?speed=full&form=events']) {
    const page = await opened(demo.url + query);
    await until(page, hasWindows, 60);
    figures.push(await known(page, () => globalThis.tillrace.state.base.slice(0, 60).map(({ message, ...figures }) => figures)));
    if (query.includes('scalar')) assert.ok(page.requests.some((url) => url.includes('scalar')), 'the scalar module was not loaded');
  }
  assert.deepEqual(figures[1], figures[0]);
  assert.deepEqual(figures[2], figures[0]);
});

await check('sliders act by keyboard: the engine gets the window, and the address keeps it', async (opened) => {
  const page = await opened(demo.url);
  await until(page, hasWindows, 3);
  await page.focus('#set-window');
  await page.keyboard.press('ArrowRight');
  await until(page, () => globalThis.tillrace.state.hello.window_ms === 120_000);
  await until(page, hasWindows, 3);
  assert.match(page.url(), /\?window=120$/);
  assert.equal(await page.getAttribute('#set-window', 'aria-valuetext'), '2 min');
  const again = await opened(page.url());
  await until(again, hasWindows, 1);
  assert.equal(await known(again, () => globalThis.tillrace.state.hello.window_ms), 120_000);
});

await check('without late records and duplicates the ledger has none; with many it has many', async (opened) => {
  const none = await opened(`${demo.url}?late=0&duplicates=0&malformed=0&speed=full`);
  await until(none, hasWindows, 60);
  const { late, duplicates, rejected } = await known(none, () => globalThis.tillrace.state.status);
  assert.deepEqual({ late, duplicates, rejected }, { late: 0, duplicates: 0, rejected: 0 });
  const many = await opened(`${demo.url}?late=0.1&duplicates=0.2&malformed=0.05&speed=full`);
  await until(many, hasWindows, 60);
  const status = await known(many, () => globalThis.tillrace.state.status);
  for (const [name, share] of [['late', 0.1], ['duplicates', 0.2], ['rejected', 0.05]]) {
    const found = status[name] / status.records;
    assert.ok(Math.abs(found - share) < share * 0.15, `${name} is ${found}, expected about ${share}`);
  }
});

await check('more allowed lateness saves records that came out of order', async (opened) => {
  const shares = [];
  for (const lateness of [0, 60]) {
    const page = await opened(`${demo.url}?lateness=${lateness}&delayed=0.3&late=0&speed=full`);
    await until(page, hasWindows, 30);
    shares.push(await known(page, () => globalThis.tillrace.state.hello.lateness_ms));
    assert.equal(await known(page, () => globalThis.tillrace.state.status.late), 0, 'what is delayed within lateness is never late');
  }
  assert.deepEqual(shares, [0, 60_000]);
});

await check('pausing stops the shop, and going on lets it live', async (opened) => {
  const page = await opened(demo.url);
  await until(page, hasWindows, 3);
  await page.click('#pause');
  await page.waitForTimeout(400);
  const stopped = await known(page, records);
  await page.waitForTimeout(600);
  assert.equal(await known(page, records), stopped);
  assert.equal(await page.getAttribute('#pause', 'aria-pressed'), 'true');
  await page.click('#pause');
  await until(page, (stopped) => globalThis.tillrace.state.status.records > stopped, stopped);
});

for (const [file, how] of [[join(work, 'shop.jsonl'), 'dropped'], [join(root, 'engine/samples/day.jsonl.gz'), 'chosen']]) {
  const name = basename(file).replace(/\.jsonl.*/, '');
  await check(`a ${how} file (${basename(file)}) is read to its end, and every Gold table can be downloaded`, async (opened) => {
    const page = await opened(demo.url);
    await until(page, hasWindows, 1);
    if (how === 'dropped') await drop(page, file);
    else await page.setInputFiles('#file', file);
    await until(page, isEnded);
    assert.equal(await page.textContent('#connection-text'), 'File read');
    assert.equal(await page.textContent('#tagline'), basename(file));
    await page.click('#open-downloads');
    const folder = join(work, 'browser', name);
    mkdirSync(folder, { recursive: true });
    const buttons = page.locator('#tables button');
    await buttons.first().waitFor();
    const count = await buttons.count();
    assert.equal(count, 40, 'twenty tables, two formats');
    for (let index = 0; index < count; index += 1) {
      const [download] = await Promise.all([page.waitForEvent('download', { timeout: SLOW_MS }), buttons.nth(index).click()]);
      await download.saveAs(join(folder, download.suggestedFilename()));
      // As a hand would at best: a page that starts ten downloads at once is held back by the browser.
      await page.waitForTimeout(200);
    }
    assert.ok(page.requests.some((url) => url.includes('parquet_bg.wasm')), 'the Parquet writer was not loaded');
  });
}

await check('names from a file are shown as text: no markup of theirs comes to life', async (opened) => {
  const page = await opened(demo.url);
  await until(page, hasWindows, 1);
  await drop(page, join(work, 'names.jsonl'));
  await until(page, isEnded);
  await until(page, () => document.getElementById('products').textContent.includes('<script>'));
  assert.ok((await page.textContent('#products')).includes('<script>globalThis.isHacked = 1</script>'));
  assert.ok((await page.textContent('#categories')).includes('<img src=x onerror=globalThis.isHacked=1>'));
  assert.ok((await page.textContent('#payments')).includes('<b>card</b>'));
  assert.equal(await page.locator('main script, main img, main b:not(#reasons b)').count(), 0);
  assert.equal(await known(page, () => globalThis.isHacked), undefined);
});

await check('a file that is none is told so, and the demo can be started again', async (opened) => {
  const page = await opened(demo.url);
  await until(page, hasWindows, 1);
  await drop(page, join(work, 'broken.jsonl.gz'));
  await until(page, () => !document.getElementById('banner').hidden);
  assert.match(await page.textContent('#banner-text'), /broken\.jsonl\.gz is no whole gzip file/);
  await page.click('#banner-action');
  await until(page, () => document.getElementById('banner').hidden && globalThis.tillrace.state.hello?.source === 'sim');
});

await check('a file without a valid line shows empty panels and a ledger of rejections', async (opened) => {
  const page = await opened(demo.url);
  await until(page, hasWindows, 1);
  await drop(page, join(work, 'invalid.jsonl'));
  await until(page, isEnded);
  await until(page, () => document.getElementById('quality-records').textContent === '2');
  assert.equal(await page.textContent('#quality-rejected'), '2');
  await until(page, () => /No window has closed yet/.test(document.getElementById('products').textContent));
});

await check('the machine can be measured, and frames go on meanwhile', async (opened) => {
  const page = await opened(demo.url);
  await until(page, hasWindows, 1);
  await page.click('#measure');
  await page.waitForFunction(() => /events\/s/.test(document.getElementById('measured').textContent), null, { timeout: 60_000 });
  console.log(`        ${await page.textContent('#measured')}`);
});

// What a running engine would say: the feed of the engine's own crates, from Node.
const { Engine } = await load('scalar');
const told = Engine.simulated(JSON.stringify({ rate: 50, hours: 1 }), 'a');
const half = Date.UTC(2026, 0, 1, 0, 20);
while (told.run(100_000, half) > 0);
const first = JSON.parse(told.takeMessages(1000, 5000, true));
while (!told.isFinished) told.run(100_000, Number.MAX_SAFE_INTEGER);
const rest = JSON.parse(told.takeMessages(2000, 5000, true));
first[0].is_live = true;

await check('the live page follows a run, survives a lost connection, and begins anew with another run', async (opened) => {
  const server = await serveLive();
  server.send(first);
  const page = await opened(server.url);
  await until(page, hasWindows, 15);
  assert.equal(await page.textContent('#connection-text'), 'Live');
  assert.equal(await page.locator('.demo-only:visible').count(), 0);
  const windows = await known(page, () => globalThis.tillrace.state.base.length);
  await server.close();
  await until(page, () => document.getElementById('connection').dataset.state === 'lost');
  assert.equal(await known(page, () => globalThis.tillrace.state.base.length), windows, 'figures stay while the connection is lost');
  const again = await serveLive(server.port);
  again.send([...first, ...rest]);
  await until(page, isEnded);
  assert.equal(await known(page, () => globalThis.tillrace.state.base.length), 60, 'no window twice, none missing');
  await again.close();
  const other = await serveLive(server.port);
  other.send(first.map((message) => (message.type === 'hello' ? { ...message, run: 'b' } : message)));
  await until(page, (windows) => globalThis.tillrace.state.hello.run === 'b' && globalThis.tillrace.state.base.length === windows, windows);
  await other.close();
  // The browser itself writes down that nobody answered.
  page.complaints = page.complaints.filter((text) => !text.includes('net::ERR_'));
});

for (const [name, query, theme, size, wait] of [
  ['demo-light', '', 'light', DESKTOP, 4],
  ['demo-dark', '', 'dark', DESKTOP, 4],
  ['demo-phone', '', 'light', PHONE, 4],
  ['demo-full-speed', '?speed=full&rate=500', 'dark', DESKTOP, 200],
]) {
  await check(`${name} has no serious finding of axe, nothing sticks out, and is looked at`, async (opened) => {
    const page = await opened(demo.url + query, { theme, size });
    await until(page, hasWindows, wait);
    await page.waitForTimeout(2500);
    await page.screenshot({ path: join(work, `${name}.png`), fullPage: name !== 'demo-full-speed' });
    const [content, window] = await width(page);
    assert.ok(content <= window, `the page is ${content} wide in a window of ${window}`);
    assert.deepEqual(await findings(page), []);
    if (name === 'demo-light' || name === 'demo-dark' || name === 'demo-phone') {
      mkdirSync(shots, { recursive: true });
      if (process.env.KEEP_SCREENSHOTS) await page.screenshot({ path: join(shots, `${name}.png`), fullPage: name !== 'demo-phone' });
    }
    if (name === 'demo-dark') {
      await page.click('#open-downloads');
      await page.waitForSelector('#tables tr');
      assert.deepEqual(await findings(page), [], 'in the dialogue');
      await page.screenshot({ path: join(work, 'demo-downloads.png') });
    }
  });
}

await check('the live page has no serious finding of axe', async (opened) => {
  const server = await serveLive();
  server.send(first);
  const page = await opened(server.url, { theme: 'dark' });
  await until(page, hasWindows, 15);
  await page.waitForTimeout(1000);
  await page.screenshot({ path: join(work, 'live-dark.png'), fullPage: true });
  assert.deepEqual(await findings(page), []);
  await server.close();
  page.complaints = [];
});

demo.close();
await finish();
