// The figures as text and bars: key figures, funnel, ranks, payments, quality.

import { element, reconcile, setAttribute, setText } from './dom.js';
import { cents, clock, counted, grainWord, integer, money, moneyShort, percent, short, span, words } from './format.js';

/** How many products and categories are shown. */
const RANKS = 6;

/** A value that a bar or a marker is drawn to, as a custom property: no inline style in the page. @param {HTMLElement} node @param {string} name @param {number} share */
function setShare(node, name, share) {
  const value = `${(Math.min(1, Math.max(0, share)) * 100).toFixed(2)}%`;
  if (node.style.getPropertyValue(name) !== value) node.style.setProperty(name, value);
}

/** @param {number | null} now @param {number | null | undefined} before */
function change(now, before) {
  if (now === null || !before) return { text: '', trend: 'same' };
  const share = now / before - 1;
  if (Math.abs(share) < 0.0005) return { text: '±0.0 %', trend: 'same' };
  return { text: `${share > 0 ? '+' : '−'}${Math.abs(share * 100).toFixed(1)} %`, trend: share > 0 ? 'up' : 'down' };
}

export class Kpis {
  /** @param {HTMLElement} place */
  constructor(place) {
    this.cards = new Map();
    for (const [key, title] of [['revenue', 'Revenue today'], ['orders', 'Orders today'], ['aov', 'Average order'], ['customers', 'Unique customers'], ['conversion', 'Conversion']]) {
      const value = element('dd', { class: 'kpi-value', id: `kpi-${key}` }, '–');
      const last = element('span', { class: 'kpi-last' });
      const trend = element('span', { class: 'trend' });
      const unit = element('span', { class: 'kpi-unit' });
      const head = element('dt', {}, element('span', {}, title), unit);
      place.append(element('div', { class: `card kpi kpi-${key}` }, head, value, element('dd', { class: 'kpi-note' }, last, trend)));
      this.cards.set(key, { value, last, trend, unit });
    }
  }

  /** @param {import('./state.js').State} state */
  draw(state) {
    const base = state.base;
    const [last, before] = [base.at(-1), base.at(-2)];
    const today = state.today();
    const currency = state.hello?.currency ?? '';
    const has = today.events > 0;
    const grain = grainWord(state.baseGrain ?? '');
    const set = (/** @type {string} */ key, /** @type {string} */ value, /** @type {string} */ note, /** @type {{ text: string, trend: string }} */ moved, unit = '') => {
      const card = this.cards.get(key);
      setText(card.value, value);
      setText(card.last, note);
      setText(card.trend, moved.text);
      setAttribute(card.trend, 'data-trend', moved.trend);
      setText(card.unit, unit);
    };
    const none = { text: '', trend: 'same' };
    const lastText = (/** @type {string | undefined} */ text) => (last ? `${text} last ${grain}` : 'none closed yet');
    set('revenue', has ? moneyShort(today.revenue) : '–', lastText(last && moneyShort(last.revenue)), last ? change(last.revenue, before?.revenue) : none, currency);
    set('orders', has ? integer(today.orders) : '–', lastText(last && integer(last.orders)), last ? change(last.orders, before?.orders) : none);
    const aov = today.orders ? Math.round(today.revenue / today.orders) : null;
    set('aov', aov === null ? '–' : money(aov), lastText(last && (last.aov === null ? 'none' : money(last.aov))), last ? change(last.aov, before?.aov) : none, currency);
    // Distinct customers cannot be added up, unless the engine tells which are new today.
    const isOfDay = today.customers !== null;
    set('customers', last ? integer(isOfDay ? (today.customers ?? 0) : last.customers) : '–', lastText(last && integer(last.customers)), last ? change(last.customers, before?.customers) : none, isOfDay ? 'today' : `last ${grain}`);
    const hour = state.closed.get(state.hello?.grains[1] ?? '')?.at(-1);
    set('conversion', last ? percent(last.conversion) : '–', hour ? `${percent(hour.conversion)} last ${grainWord(hour.grain)}` : 'of views', last ? change(last.conversion, before?.conversion) : none, last ? `last ${grain}` : '');
  }
}

export class Funnel {
  /** @param {HTMLElement} list */
  constructor(list) {
    this.list = list;
  }

  /** @param {any[]} stages rows of `funnel` */
  draw(stages) {
    const first = stages[0]?.sessions ?? 0;
    const rows = stages.map((stage, index) => ({ ...stage, ofFirst: first ? stage.sessions / first : null, ofBefore: index && stages[index - 1].sessions ? stage.sessions / stages[index - 1].sessions : null }));
    reconcile(this.list, rows, (row) => row.stage, makeStage, (item, row) => {
      const [name, sessions, bar, note] = /** @type {any} */ (item.children);
      setText(name, words(row.stage));
      setText(sessions, integer(row.sessions));
      setShare(bar, '--share', row.ofFirst ?? 0);
      setText(note, row.step === 1 ? 'sessions that looked at a product' : `${percent(row.ofBefore)} of the step before · ${percent(row.ofFirst)} of views`);
    });
    empty(this.list, rows.length === 0, 'No window has closed yet.');
  }
}

function makeStage() {
  return element('li', {}, element('span', { class: 'name' }), element('span', { class: 'number' }), element('span', { class: 'bar', 'aria-hidden': 'true' }), element('span', { class: 'note' }));
}

/** @param {HTMLElement} list @param {boolean} isEmpty @param {string} text */
function empty(list, isEmpty, text) {
  const shown = /** @type {HTMLElement | null} */ (list.querySelector(':scope > .empty'));
  if (!isEmpty) shown?.remove();
  else if (!shown) list.append(element('li', { class: 'empty' }, text));
}

export class Ranks {
  /** @param {HTMLElement} list @param {HTMLElement} note @param {string} key @param {string} what */
  constructor(list, note, key, what) {
    this.list = list;
    this.note = note;
    this.key = key;
    this.what = what;
  }

  /** @param {any} ranked `products` or `categories` of a window @param {any} before of the one before it @param {number} revenue of the whole window, in cents */
  draw(ranked, before, revenue) {
    const former = new Map((before?.top ?? []).map((/** @type {any} */ row) => [row[this.key], row.revenue_rank]));
    const rows = (ranked?.top ?? []).filter((/** @type {any} */ row) => row.orders > 0).slice(0, RANKS);
    const most = rows.length ? Math.max(1, cents(rows[0].revenue)) : 1;
    reconcile(this.list, rows, (/** @type {any} */ row) => row[this.key], makeRank, (item, row) => {
      const [rank, move, name, amount, bar, note] = /** @type {any} */ (item.children);
      setText(rank, String(row.revenue_rank));
      const from = former.get(row[this.key]);
      const moved = from === undefined ? null : from - row.revenue_rank;
      setAttribute(move, 'data-move', !before ? 'none' : moved === null ? 'new' : moved > 0 ? 'up' : moved < 0 ? 'down' : 'same');
      setText(move.firstChild, !before || moved === 0 ? '' : moved === null ? 'new' : String(Math.abs(moved)));
      setText(move.lastChild, !before ? '' : moved === null ? ', new in the list' : moved > 0 ? ' up' : moved < 0 ? ' down' : ', unchanged');
      setText(name, row.name ?? row[this.key]);
      setAttribute(name, 'title', row.name ? `${row.name} (${row[this.key]})` : row[this.key]);
      setText(amount, moneyShort(cents(row.revenue)));
      setShare(bar, '--share', cents(row.revenue) / most);
      setText(note, `${counted(row.units, 'unit')} · ${counted(row.orders, 'order')} · ${percent(revenue ? cents(row.revenue) / revenue : null)}`);
    });
    empty(this.list, rows.length === 0, ranked ? 'Nothing was ordered.' : 'No window has closed yet.');
    setText(this.note, ranked ? `of ${integer(ranked.count)} ${this.what}` : '');
  }
}

function makeRank() {
  const move = element('span', { class: 'move' }, element('span'), element('span', { class: 'visually-hidden' }));
  return element('li', {}, element('span', { class: 'rank' }), move, element('span', { class: 'name' }), element('span', { class: 'number' }), element('span', { class: 'bar', 'aria-hidden': 'true' }), element('span', { class: 'note' }));
}

/** @typedef {{ method: string, succeeded: number, failed: number, paid: number, reasons: [string, number][] }} Method */

export class Payments {
  /** @param {HTMLElement} list @param {HTMLElement} note */
  constructor(list, note) {
    this.list = list;
    this.note = note;
  }

  /** @param {any[] | null} rows rows of `payments` */
  draw(rows) {
    /** @type {Map<string, Method>} */
    const methods = new Map();
    for (const row of rows ?? []) {
      /** @type {Method} */
      const method = methods.get(row.method) ?? { method: row.method, succeeded: 0, failed: 0, paid: 0, reasons: [] };
      methods.set(row.method, method);
      if (row.status === 'succeeded') {
        method.succeeded += row.payments;
        method.paid += cents(row.amount);
      } else {
        method.failed += row.payments;
        method.reasons.push([row.failure_reason ?? 'no reason given', row.payments]);
      }
    }
    const all = [...methods.values()].sort((a, b) => b.succeeded + b.failed - (a.succeeded + a.failed) || (a.method < b.method ? -1 : 1)).slice(0, RANKS);
    const most = Math.max(1, ...all.map((method) => method.succeeded + method.failed));
    reconcile(this.list, all, (method) => method.method, makePayment, (item, method) => {
      const [name, rate, bar, note] = /** @type {any} */ (item.children);
      const count = method.succeeded + method.failed;
      setText(name, words(method.method));
      setText(rate, percent(count ? method.succeeded / count : null));
      setShare(bar, '--share', count / most);
      setShare(bar, '--failed-share', count ? method.failed / count : 0);
      method.reasons.sort((a, b) => b[1] - a[1]);
      const reasons = method.reasons.slice(0, 2).map(([reason, payments]) => `${words(reason)} ${integer(payments)}`).join(', ');
      setText(note, `${integer(method.succeeded)} paid, ${moneyShort(method.paid)}${method.failed ? ` · ${integer(method.failed)} failed: ${reasons}` : ''}`);
    });
    empty(this.list, all.length === 0, rows ? 'Nobody paid.' : 'No window has closed yet.');
    let [succeeded, count] = [0, 0];
    for (const method of methods.values()) {
      succeeded += method.succeeded;
      count += method.succeeded + method.failed;
    }
    setText(this.note, count ? `${percent(succeeded / count)} succeeded` : '');
  }
}

function makePayment() {
  return element('li', {}, element('span', { class: 'name' }), element('span', { class: 'number' }), element('span', { class: 'bar bar-failed', 'aria-hidden': 'true' }), element('span', { class: 'note' }));
}

export class Quality {
  /** @param {HTMLElement} strip @param {HTMLElement} reasons @param {HTMLElement} note */
  constructor(strip, reasons, note) {
    this.reasons = reasons;
    this.note = note;
    this.cells = new Map();
    for (const [key, title] of [['rate', 'records/s'], ['records', 'records'], ['accepted', 'accepted'], ['duplicates', 'duplicates'], ['late', 'late'], ['rejected', 'rejected'], ['delayed', 'out of order'], ['delay', 'delay p50 / p99'], ['lag', 'lag']]) {
      const value = element('dd', { class: 'strip-value', id: `quality-${key}` }, '–');
      const part = element('dd', { class: 'note' });
      const cell = element('div', { class: `cell cell-${key}` }, element('dt', {}, title), value, part);
      strip.append(cell);
      this.cells.set(key, { cell, value, part });
    }
  }

  /** @param {import('./state.js').State} state */
  draw(state) {
    const { status, hello } = state;
    const set = (/** @type {string} */ key, /** @type {string} */ value, part = '') => {
      const cell = this.cells.get(key);
      setText(cell.value, value);
      setText(cell.part, part);
    };
    if (!status) return;
    const share = (/** @type {number | null} */ count) => (count === null || count === undefined || !status.records ? '' : percent(count / status.records, 2));
    const count = (/** @type {number | null | undefined} */ value) => (value === null || value === undefined ? '–' : integer(value));
    set('rate', short(Math.round(status.records_per_second ?? 0)), state.end ? 'at the end' : 'lately');
    set('records', count(status.records), status.elapsed_ms === undefined ? '' : `in ${span(Math.round(status.elapsed_ms / 1000) * 1000)}`);
    for (const key of ['accepted', 'duplicates', 'late', 'rejected', 'delayed']) set(key, count(status[key]), share(status[key]));
    const quality = state.base.at(-1)?.message?.quality;
    const delay = (/** @type {number | null | undefined} */ ms) => (ms === null || ms === undefined ? '–' : span(Math.round(ms)));
    set('delay', `${delay(quality?.delay_p50_ms)} / ${delay(quality?.delay_p99_ms)}`, quality ? `at most ${delay(quality.delay_max_ms)}` : '');
    this.cells.get('lag').cell.hidden = !hello?.is_live;
    set('lag', delay(status.lag_ms), 'behind the clock');
    const reasons = Object.entries(status.rejected_by_reason ?? {}).sort((a, b) => b[1] - a[1]);
    reconcile(this.reasons, reasons, ([reason]) => reason, () => element('li', {}, element('span'), element('b')), (item, [reason, records]) => {
      setText(item.children[0], words(reason));
      setText(item.children[1], integer(records));
    });
    const { records, accepted, duplicates, late, rejected } = status;
    const isKnown = accepted !== null && duplicates !== null && accepted !== undefined;
    setText(this.note, isKnown && records ? `${integer(records)} = ${integer(accepted)} + ${integer(duplicates)} + ${integer(late)} + ${integer(rejected)}: the ledger adds up` : '');
  }
}

export class Facts {
  /** @param {HTMLElement} place */
  constructor(place) {
    this.place = place;
  }

  /** @param {import('./state.js').State} state */
  draw(state) {
    const { hello, status } = state;
    if (!hello) return;
    const offset = hello.utc_offset_minutes;
    const at = (/** @type {number | null | undefined} */ ms) => (ms ? clock(ms, offset, true) : '–');
    const facts = [
      ['Source', hello.source_name],
      ['Window', span(hello.window_ms)],
      ['Allowed lateness', span(hello.lateness_ms)],
      ['Rollups', hello.grains.slice(1).join(', ') || 'none'],
      ['Currency, offset', `${hello.currency}, ${hello.utc_offset}`],
      ['Newest event', at(status?.event_time_max_ms)],
      ['Watermark', at(status?.watermark_ms)],
      ['Open windows', String(state.open.windows.length)],
    ];
    reconcile(this.place, facts, ([name]) => name, () => element('div', {}, element('dt'), element('dd')), (item, [name, value]) => {
      setText(item.children[0], name);
      setText(item.children[1], value);
    });
  }
}

/** The line under the name: what is being shown. @param {import('./state.js').State} state */
export function tagline(state) {
  const { hello } = state;
  if (!hello) return 'Live figures of a shop from its events';
  if (hello.source === 'sim') return hello.is_live ? 'A simulated shop, live' : 'A simulated shop, by the engine in this browser';
  return hello.source_name;
}

