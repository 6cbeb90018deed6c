// The page: takes messages in as they come, and draws at most as often as there is something to see.

import { byId, element, setAttribute, setText } from './dom.js';
import { clock, date, grainWord, integer, short } from './format.js';
import { Facts, Funnel, Kpis, Payments, Quality, Ranks, tagline } from './panels.js';
import { Picture } from './picture.js';
import { RevenueChart } from './revenue.js';
import { CONTROLS, FULL_SPEED, START_MS, forEngine, fromAddress, toAddress } from './settings.js';
import { DemoSource, LiveSource } from './source.js';
import { State } from './state.js';
import { bindTheme } from './theme.js';

/** How often figures are drawn, at most: oftener nobody can read them. */
const FIGURES_MS = 100;
/** The same for the lists of the last window. */
const DETAIL_MS = 400;
/** From how many windows a second on the picture shows no single records. */
const TOO_FAST_WINDOWS = 2.5;
/** The demo opens with so much of the day behind it, so that there is something to see. */
const OPENING_MS = 45 * 60_000;
/** How much of the day changed settings are replayed for. */
const REPLAY_MS_MAX = 6 * 3_600_000;

const state = new State();
const meta = /** @type {HTMLMetaElement} */ (document.querySelector('meta[name="tillrace-source"]')).content;
const isLive = meta === 'live';
document.documentElement.dataset.source = isLive ? 'live' : 'demo';

const kpis = new Kpis(byId('kpis'));
const revenue = new RevenueChart(byId('revenue-chart'), byId('revenue-note'));
const funnel = new Funnel(byId('funnel'));
const picture = new Picture(byId('picture'));
const products = new Ranks(byId('products'), byId('products-note'), 'product_id', 'products');
const categories = new Ranks(byId('categories'), byId('categories-note'), 'category', 'categories');
const payments = new Payments(byId('payments'), byId('payments-note'));
const quality = new Quality(byId('quality'), byId('reasons'), byId('quality-note'));
const facts = new Facts(byId('facts'));

/** The grain whose last window is shown in detail; the base one unless chosen. */
let grain = '';
let isPaused = false;
let figuresDrawn = 0;
let detailDrawn = 0;
let described = -Infinity;
let detailOf = '';
/** Moments and numbers of closed windows, for how fast they go by. @type {[number, number][]} */
let pace = [];
/** Frame times in milliseconds while measuring. @type {number[] | null} */
let frames = null;
let frameBefore = 0;

const listener = {
  /** @param {any[]} messages */
  messages(messages) {
    for (const message of messages) {
      if (message.type === 'hello' && message.run !== state.hello?.run) started();
      const wrong = state.take(message);
      if (wrong) showBanner(wrong);
    }
  },
  /** @param {string} to @param {string} text */
  state(to, text) {
    const label = { simd: 'Running, SIMD', scalar: 'Running, no SIMD' }[text] ?? text;
    setAttribute(byId('connection'), 'data-state', isPaused && to === 'running' ? 'paused' : to);
    setText(byId('connection-text'), isPaused && to === 'running' ? 'Paused' : label);
    if (to === 'failed') {
      setText(byId('connection-text'), 'Failed');
      showBanner(text, isLive ? undefined : ['Start the demo again', startDemo]);
    } else if (to === 'running') hideBanner();
    else if (to === 'ended') announce(text);
  },
  /** @param {Float64Array} dots */
  dots(dots) {
    picture.add(dots);
  },
};

function started() {
  picture.reset();
  pace = [];
  detailOf = '';
  figuresDrawn = 0;
  described = -Infinity;
}

/** @param {string} text @param {[string, () => void]} [action] */
function showBanner(text, action) {
  setText(byId('banner-text'), text);
  const button = byId('banner-action');
  button.hidden = !action;
  if (action) {
    setText(button, action[0]);
    button.onclick = action[1];
  }
  byId('banner').hidden = false;
}

function hideBanner() {
  byId('banner').hidden = true;
}

/** @param {string} text */
function announce(text) {
  setText(byId('announcer'), text);
}

/** @param {number} at */
function draw(at) {
  requestAnimationFrame(draw);
  if (frames && frameBefore) frames.push(at - frameBefore);
  frameBefore = at;
  picture.draw(state, at, isTooFast(at));
  if (at - figuresDrawn < FIGURES_MS || !state.hello) return;
  figuresDrawn = at;
  kpis.draw(state);
  revenue.draw(state);
  quality.draw(state);
  if (isLive) facts.draw(state);
  setText(byId('tagline'), tagline(state));
  if (at - detailDrawn >= DETAIL_MS) {
    detailDrawn = at;
    drawDetail();
  }
  if (at - described >= 5000) {
    described = at;
    setText(byId('picture-text'), picture.describe(state));
  }
}

/** @param {number} at */
function isTooFast(at) {
  pace.push([at, state.changes]);
  while (pace.length > 2 && at - pace[0][0] > 1000) pace.shift();
  const [since, before] = pace[0];
  return at - since > 200 && ((state.changes - before) * 1000) / (at - since) > TOO_FAST_WINDOWS;
}

function drawDetail() {
  drawGrains();
  const shown = grain && state.hello.grains.includes(grain) ? grain : state.baseGrain;
  const windows = state.closed.get(shown ?? '') ?? [];
  const [last, before] = [windows.at(-1), windows.at(-2)];
  const of = `${state.hello.run} ${shown} ${last?.start}`;
  if (of === detailOf) return;
  detailOf = of;
  const offset = state.hello.utc_offset_minutes;
  const withSeconds = state.hello.window_ms < 60_000;
  const message = last?.message;
  setText(byId('detail-note'), last ? `${date(last.start, offset)}, ${clock(last.start, offset, withSeconds)}–${clock(last.end, offset, withSeconds)}, final` : 'none yet');
  setText(byId('funnel-note'), last ? `last closed ${grainWord(shown ?? '')}` : '');
  funnel.draw(message?.funnel ?? []);
  products.draw(message?.products, before?.message?.products, last?.revenue ?? 0);
  categories.draw(message?.categories, before?.message?.categories, last?.revenue ?? 0);
  payments.draw(message ? message.payments : null);
}

function drawGrains() {
  const place = byId('grains');
  const names = state.hello.grains;
  if (place.dataset.names !== names.join()) {
    place.dataset.names = names.join();
    if (!names.includes(grain)) [grain] = names;
    place.replaceChildren(...names.map((/** @type {string} */ name) => {
      const button = element('button', { type: 'button', 'aria-pressed': String(name === grain) }, name);
      button.addEventListener('click', () => {
        grain = name;
        for (const other of place.children) other.setAttribute('aria-pressed', String(other === button));
        drawDetail();
      });
      return button;
    }));
  }
  for (const button of place.children) button.disabled = !state.closed.get(button.textContent ?? '')?.length && button.textContent !== names[0];
}

// The demo's controls.

const settings = fromAddress(location.search);
/** @type {DemoSource | null} */
let demo = null;

function startDemo() {
  hideBanner();
  isPaused = false;
  showPause();
  demo?.simulate(forEngine(settings), settings.speed, START_MS + OPENING_MS);
}

/** Starts anew with other settings, and hurries to where the shop was: the same moment, seen otherwise. */
function replay() {
  const reached = state.hello?.source === 'sim' && !state.end ? state.status?.event_time_max_ms : null;
  const first = state.base[0]?.start ?? reached;
  const isNear = reached && reached - first < REPLAY_MS_MAX;
  isPaused = false;
  showPause();
  demo?.simulate(forEngine(settings), settings.speed, isNear ? reached : null);
}

function showPause() {
  const button = byId('pause');
  setText(button, isPaused ? 'Go on' : 'Pause');
  setAttribute(button, 'aria-pressed', String(isPaused));
  setAttribute(byId('connection'), 'data-state', isPaused ? 'paused' : 'running');
}

function remember() {
  history.replaceState(null, '', `${location.pathname}${toAddress(settings)}`);
}

function makeControls() {
  const form = byId('settings');
  for (const control of CONTROLS) {
    const { key, label, steps, show, help } = control;
    const range = /** @type {HTMLInputElement} */ (element('input', { type: 'range', id: `set-${key}`, min: '0', max: String(steps.length - 1), step: '1', 'aria-describedby': `help-${key}` }));
    const output = element('output', { for: `set-${key}` });
    const mirror = () => {
      setText(output, show(settings[key]));
      range.setAttribute('aria-valuetext', show(settings[key]));
      range.style.setProperty('--at', `${(steps.indexOf(settings[key]) / (steps.length - 1)) * 100}%`);
    };
    range.value = String(steps.indexOf(settings[key]));
    range.addEventListener('input', () => {
      settings[key] = steps[Number(range.value)];
      mirror();
    });
    range.addEventListener('change', () => {
      remember();
      if (key === 'speed') demo?.pace(settings.speed, isPaused);
      else replay();
    });
    mirror();
    form.append(element('div', { class: 'control' }, element('label', { for: `set-${key}` }, label), output, range, element('p', { class: 'help', id: `help-${key}` }, help)));
  }
  const group = element('div', { class: 'segments', role: 'group', 'aria-label': 'How records reach the engine' });
  for (const [value, label] of [['lines', 'JSON Lines'], ['events', 'structs']]) {
    const button = element('button', { type: 'button', 'aria-pressed': String(settings.form === value), id: `form-${value}` }, label);
    button.addEventListener('click', () => {
      settings.form = /** @type {'lines' | 'events'} */ (value);
      for (const other of group.children) other.setAttribute('aria-pressed', String(other === button));
      remember();
      replay();
    });
    group.append(button);
  }
  form.append(element('div', { class: 'control control-form' }, element('span', { class: 'control-label' }, 'Records come as'), group));
  form.addEventListener('submit', (/** @type {Event} */ event) => event.preventDefault());
}

async function measure() {
  const button = byId('measure');
  button.disabled = true;
  setText(byId('measured'), 'Measuring for a few seconds…');
  frames = [];
  try {
    const rates = await demo?.ask({ type: 'measure', settings: { ...forEngine(settings), rate: 1000 }, milliseconds: 2000 });
    const times = frames.sort((a, b) => a - b);
    const at = (/** @type {number} */ share) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
    setText(byId('measured'), `${short(rates.lines)} events/s as JSON Lines, ${short(rates.events)} as structs, on one core, ${rates.build === 'simd' ? 'with SIMD' : 'without SIMD'}. Meanwhile a frame every ${at(0.5).toFixed(1)} ms, 99 % within ${at(0.99).toFixed(1)} ms.`);
  } catch (error) {
    setText(byId('measured'), `Could not measure: ${error instanceof Error ? error.message : error}`);
  } finally {
    frames = null;
    button.disabled = false;
  }
}

/** @param {File | undefined} file */
function analyse(file) {
  if (!file || !demo) return;
  hideBanner();
  isPaused = false;
  showPause();
  announce(`Analysing ${file.name}`);
  // As `tillrace run` does it, but for what the page's sliders say.
  demo.analyse(file, { window_seconds: settings.window, lateness_seconds: settings.lateness });
}

function bindFiles() {
  const input = byId('file');
  byId('open-file').addEventListener('click', () => input.click());
  input.addEventListener('change', () => {
    analyse(input.files?.[0]);
    input.value = '';
  });
  const drop = byId('drop');
  let depth = 0;
  const hasFile = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes('Files');
  addEventListener('dragenter', (event) => {
    if (!hasFile(event)) return;
    depth += 1;
    drop.hidden = false;
  });
  addEventListener('dragleave', () => {
    depth = Math.max(0, depth - 1);
    if (!depth) drop.hidden = true;
  });
  addEventListener('dragover', (event) => {
    if (hasFile(event)) event.preventDefault();
  });
  addEventListener('drop', (event) => {
    depth = 0;
    drop.hidden = true;
    const files = event.dataTransfer?.files;
    if (!files?.length) return;
    event.preventDefault();
    if (files.length > 1) showBanner('One file at a time: the page reads a single source partition. The command line reads many side by side.');
    else analyse(files[0]);
  });
}

async function showDownloads() {
  const dialog = byId('downloads');
  const { tables, isCut } = (await demo?.ask({ type: 'tables' })) ?? { tables: [], isCut: false };
  setText(byId('downloads-note'), isCut
    ? 'Final rows of closed windows, up to the most this page keeps in memory: later windows are missing.'
    : 'Final rows of closed windows. Money is exact; the Parquet files are those the engine writes.');
  byId('tables').replaceChildren(...tables.map((/** @type {any} */ table) => {
    const button = (/** @type {string} */ format, /** @type {string} */ label) => {
      const made = /** @type {HTMLButtonElement} */ (element('button', { type: 'button', class: 'button', 'aria-label': `${table.name} as ${label}`, 'data-table': table.name, 'data-format': format }, label));
      made.addEventListener('click', () => save(table, format, made));
      return made;
    };
    return element('tr', {}, element('th', { scope: 'row' }, table.name), element('td', { class: 'number' }, integer(table.rows)), element('td', { class: 'formats' }, button('csv', 'CSV'), button('parquet', 'Parquet')));
  }));
  if (!dialog.open) dialog.showModal();
}

/** @param {any} table @param {string} format @param {HTMLButtonElement} button */
async function save(table, format, button) {
  button.disabled = true;
  /** @type {Uint8Array[]} */
  const chunks = [];
  try {
    await demo?.ask({ type: 'download', index: table.index, format }, (bytes) => chunks.push(bytes));
    const type = format === 'csv' ? 'text/csv' : 'application/vnd.apache.parquet';
    const address = URL.createObjectURL(new Blob(/** @type {BlobPart[]} */ (chunks), { type }));
    const link = element('a', { href: address, download: `${table.name}.${format}` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  } catch (error) {
    setText(byId('downloads-note'), `${table.name} could not be made: ${error instanceof Error ? error.message : error}`);
  } finally {
    button.disabled = false;
  }
}

function bindDemo() {
  makeControls();
  bindFiles();
  byId('pause').addEventListener('click', () => {
    isPaused = !isPaused;
    showPause();
    setText(byId('connection-text'), isPaused ? 'Paused' : 'Running');
    demo?.pace(settings.speed, isPaused);
  });
  byId('share').addEventListener('click', async () => {
    remember();
    try {
      await navigator.clipboard.writeText(location.href);
      announce('The link is copied');
      setText(byId('share'), 'Copied');
    } catch {
      setText(byId('share'), 'See the address');
    }
    setTimeout(() => setText(byId('share'), 'Copy link'), 2000);
  });
  byId('measure').addEventListener('click', measure);
  byId('open-downloads').addEventListener('click', showDownloads);
  byId('close-downloads').addEventListener('click', () => byId('downloads').close());
}

bindTheme(byId('theme'));
byId('theme').addEventListener('click', () => picture.retheme());
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => picture.retheme());
addEventListener('resize', () => {
  figuresDrawn = 0;
});

if (isLive) {
  const token = new URLSearchParams(location.search).get('token');
  new LiveSource(listener, `api/v1/stream${token ? `?token=${encodeURIComponent(token)}` : ''}`);
} else {
  bindDemo();
  demo = new DemoSource(listener, new URLSearchParams(location.search).get('engine') === 'scalar');
  demo.dots(!picture.isStill);
  startDemo();
}
requestAnimationFrame(draw);

// For tests, which look at what the page knows rather than at pixels.
Object.assign(globalThis, { tillrace: { state, settings, FULL_SPEED } });
