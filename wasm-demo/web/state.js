// What the page knows: the messages of docs/feed.md, added up. Knows nothing of what is drawn.

import { cents } from './format.js';

/** The version of the feed this page was made for. */
const VERSION = 1;

/** How many windows of a grain are remembered: a day of minutes and some more. */
const WINDOWS_MAX = 3000;

/**
 * A closed window as the page uses it; money in cents.
 * @typedef {object} Closed
 * @property {string} grain
 * @property {number} start
 * @property {number} end
 * @property {number} events
 * @property {number} revenue
 * @property {number} orders
 * @property {number | null} aov
 * @property {number} customers
 * @property {number | null} conversion
 * @property {number | null} customersNew
 * @property {any} message what was told; null once the window is an older one
 */

export class State {
  constructor() {
    /** How many windows have closed, of all runs. @type {number} */
    this.changes = 0;
    this.reset();
  }

  /** Forgets everything. */
  reset() {
    /** @type {any} */
    this.hello = null;
    /** @type {Map<string, Closed[]>} by grain, ascending */
    this.closed = new Map();
    /** @type {any} */
    this.open = { windows: [], rollups: [] };
    /** @type {any} */
    this.status = null;
    /** @type {any} */
    this.end = null;
  }

  /**
   * Takes a message in.
   * @param {any} message
   * @returns {string | null} what is wrong with it
   */
  take(message) {
    switch (message.type) {
      case 'hello':
        if (message.version !== VERSION) {
          return `The engine speaks version ${message.version} of the feed; this page knows version ${VERSION}. Reload it.`;
        }
        if (!this.hello || this.hello.run !== message.run) this.reset();
        this.hello = message;
        break;
      case 'window':
        this.close(message);
        break;
      case 'open':
        this.open = message;
        break;
      case 'status':
        this.status = message;
        break;
      case 'end':
        this.end = message;
        this.status = { ...this.status, ...message.status, elapsed_ms: this.status?.elapsed_ms, records_per_second: this.status?.records_per_second };
        if (message.how === 'finished') this.open = { windows: [], rollups: [] };
        break;
      default: // What a later engine says besides.
    }
    return null;
  }

  /** @param {any} message */
  close(message) {
    const { kpis } = message;
    /** @type {Closed} */
    const closed = {
      grain: message.grain,
      start: message.start_ms,
      end: message.end_ms,
      events: kpis?.events ?? 0,
      revenue: kpis ? cents(kpis.revenue) : 0,
      orders: kpis?.orders ?? 0,
      aov: kpis?.aov ? cents(kpis.aov) : null,
      customers: kpis?.unique_customers ?? 0,
      conversion: kpis?.conversion_rate ?? null,
      customersNew: message.customers_new,
      message,
    };
    let list = this.closed.get(closed.grain);
    if (!list) this.closed.set(closed.grain, (list = []));
    const last = list.at(-1);
    if (last && last.start >= closed.start) return; // Told again after a lost connection.
    // Only the last two are looked at in detail; the rest would be much memory.
    const before = list.at(-2);
    if (before) before.message = null;
    list.push(closed);
    if (list.length > WINDOWS_MAX) list.splice(0, list.length - WINDOWS_MAX);
    this.changes += 1;
  }

  /** @returns {string | undefined} */
  get baseGrain() {
    return this.hello?.grains[0];
  }

  /** Closed base windows, ascending. */
  get base() {
    return this.closed.get(this.baseGrain ?? '') ?? [];
  }

  /** The local day of an instant, in days since 1970. @param {number} ms */
  dayOf(ms) {
    return Math.floor((ms + (this.hello?.utc_offset_minutes ?? 0) * 60_000) / 86_400_000);
  }

  /**
   * The day shown: that of the newest window. What has closed of it is final; what is open comes on top, provisional.
   */
  today() {
    const base = this.base;
    const open = this.open.windows;
    const newest = open.at(-1)?.start_ms ?? base.at(-1)?.start;
    const sums = { revenue: 0, orders: 0, events: 0, customers: /** @type {number | null} */ (0), openRevenue: 0, windows: [] };
    if (newest === undefined) return sums;
    const day = this.dayOf(newest);
    let first = base.length;
    while (first > 0 && this.dayOf(base[first - 1].start) === day) first -= 1;
    const windows = base.slice(first);
    for (const window of windows) {
      sums.revenue += window.revenue;
      sums.orders += window.orders;
      sums.events += window.events;
      sums.customers = sums.customers === null || window.customersNew === null ? null : sums.customers + window.customersNew;
    }
    for (const window of open) {
      if (this.dayOf(window.start_ms) !== day) continue;
      sums.openRevenue += cents(window.revenue);
      sums.orders += window.orders;
      sums.events += window.events;
    }
    sums.revenue += sums.openRevenue;
    return { ...sums, windows };
  }
}
