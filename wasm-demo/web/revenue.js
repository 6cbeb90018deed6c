// Revenue by window as a line that grows: closed windows solid and filled, the open ones dashed.

import { setAttribute, setText, svg } from './dom.js';
import { cents, clock, date, grainWord, money, moneyTick } from './format.js';

const MARGIN = { left: 52, right: 16, top: 12, bottom: 24 };

export class RevenueChart {
  /** @param {HTMLElement} place @param {HTMLElement} note */
  constructor(place, note) {
    this.place = place;
    this.note = note;
    this.grid = svg('g', { class: 'grid' });
    this.area = svg('path', { class: 'revenue-area' });
    this.line = svg('path', { class: 'revenue-line' });
    this.provisional = svg('path', { class: 'revenue-open' });
    this.points = svg('g', { class: 'revenue-open-point' });
    this.hair = svg('line', { class: 'hair', visibility: 'hidden' });
    this.mark = svg('circle', { class: 'hair-mark', r: 4, visibility: 'hidden' });
    this.svg = svg('svg', { role: 'img', tabindex: 0, focusable: 'true' }, this.grid, this.area, this.line, this.provisional, this.points, this.hair, this.mark);
    this.tip = document.createElement('p');
    this.tip.className = 'tip';
    this.tip.hidden = true;
    this.empty = document.createElement('p');
    this.empty.className = 'empty';
    this.empty.textContent = 'Waiting for the first window to close…';
    place.append(this.svg, this.tip, this.empty);
    /** @type {{ x: number, y: number, text: string }[]} */
    this.spots = [];
    /** @type {number | null} */
    this.spot = null;
    this.svg.addEventListener('pointermove', (event) => this.point(/** @type {PointerEvent} */ (event).offsetX));
    this.svg.addEventListener('pointerleave', () => this.pick(null));
    this.svg.addEventListener('blur', () => this.pick(null));
    this.svg.addEventListener('keydown', (event) => this.key(/** @type {KeyboardEvent} */ (event)));
  }

  /** @param {number} x */
  point(x) {
    if (!this.spots.length) return;
    let nearest = 0;
    for (let index = 1; index < this.spots.length; index += 1) {
      if (Math.abs(this.spots[index].x - x) < Math.abs(this.spots[nearest].x - x)) nearest = index;
    }
    this.pick(nearest);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !this.spots.length) return;
    event.preventDefault();
    const from = this.spot ?? this.spots.length - (step > 0 ? 1 : 0);
    this.pick(Math.min(this.spots.length - 1, Math.max(0, from + step)));
  }

  /** @param {number | null} index */
  pick(index) {
    this.spot = index;
    const spot = index === null ? undefined : this.spots[index];
    const visibility = spot ? 'visible' : 'hidden';
    setAttribute(this.hair, 'visibility', visibility);
    setAttribute(this.mark, 'visibility', visibility);
    this.tip.hidden = !spot;
    if (!spot) return;
    setAttribute(this.hair, 'x1', spot.x);
    setAttribute(this.hair, 'x2', spot.x);
    setAttribute(this.mark, 'cx', spot.x);
    setAttribute(this.mark, 'cy', spot.y);
    setText(this.tip, spot.text);
    const left = Math.min(Math.max(spot.x - this.tip.offsetWidth / 2, 0), this.place.clientWidth - this.tip.offsetWidth);
    this.tip.style.transform = `translate(${Math.round(left)}px, 0)`;
  }

  /** @param {import('./state.js').State} state */
  draw(state) {
    const width = this.place.clientWidth;
    const height = this.place.clientHeight;
    if (!width || !height) return;
    const offset = state.hello?.utc_offset_minutes ?? 0;
    const today = state.today();
    /** @type {{ start: number, end: number, revenue: number }[]} */
    const closed = today.windows;
    const open = state.open.windows.map((/** @type {any} */ window) => ({ start: window.start_ms, end: window.end_ms, revenue: cents(window.revenue) }));
    const all = [...closed, ...open];
    this.empty.hidden = closed.length > 0;
    setAttribute(this.svg, 'viewBox', `0 0 ${width} ${height}`);
    setAttribute(this.hair, 'y1', MARGIN.top);
    setAttribute(this.hair, 'y2', height - MARGIN.bottom);
    if (!all.length) {
      this.spots = [];
      for (const path of [this.area, this.line, this.provisional]) setAttribute(path, 'd', '');
      this.grid.replaceChildren();
      this.points.replaceChildren();
      setText(this.note, '');
      return;
    }
    const length = state.hello.window_ms;
    // At least half an hour's worth of windows, so that a line that begins does not leap about.
    const first = all[0].start;
    const last = Math.max(all[all.length - 1].end, first + 12 * length);
    const most = ceiling(Math.max(1, ...closed.map((window) => window.revenue), ...open.map((/** @type {any} */ window) => window.revenue)));
    const x = (/** @type {number} */ ms) => MARGIN.left + ((ms - first) / (last - first)) * (width - MARGIN.left - MARGIN.right);
    const y = (/** @type {number} */ amount) => height - MARGIN.bottom - (amount / most) * (height - MARGIN.top - MARGIN.bottom);
    const middle = (/** @type {{ start: number }} */ window) => x(window.start + length / 2);
    const path = (/** @type {any[]} */ windows) => windows.map((window, index) => `${index ? 'L' : 'M'}${middle(window).toFixed(1)} ${y(window.revenue).toFixed(1)}`).join('');

    this.drawGrid(first, last, most, x, y, width, height, offset, length);
    setAttribute(this.line, 'd', path(closed));
    const ground = y(0).toFixed(1);
    setAttribute(this.area, 'd', closed.length ? `${path(closed)}L${middle(closed[closed.length - 1]).toFixed(1)} ${ground}L${middle(closed[0]).toFixed(1)} ${ground}Z` : '');
    setAttribute(this.provisional, 'd', path([...closed.slice(-1), ...open]));
    while (this.points.children.length < open.length) this.points.append(svg('circle', { r: 3.5 }));
    while (this.points.children.length > open.length) this.points.lastChild?.remove();
    open.forEach((/** @type {any} */ window, /** @type {number} */ index) => {
      setAttribute(this.points.children[index], 'cx', middle(window).toFixed(1));
      setAttribute(this.points.children[index], 'cy', y(window.revenue).toFixed(1));
    });
    const withSeconds = length < 60_000;
    this.spots = all.map((window, index) => ({
      x: middle(window),
      y: y(window.revenue),
      text: `${clock(window.start, offset, withSeconds)}–${clock(window.end, offset, withSeconds)}  ${money(window.revenue)}${index < closed.length ? '' : ', provisional'}`,
    }));
    if (this.spot !== null) this.pick(Math.min(this.spot, this.spots.length - 1));
    const currency = state.hello.currency;
    setText(this.note, `${currency} per ${grainWord(state.baseGrain ?? '')}, ${date(first, offset)}${open.length ? ' · dashed: still open' : ''}`);
    const newest = closed.at(-1);
    setAttribute(this.svg, 'aria-label', newest
      ? `Revenue by window: ${closed.length} closed windows of ${state.baseGrain}, the last one ${clock(newest.start, offset, withSeconds)} with ${money(newest.revenue)} ${currency}. Use the arrow keys to read single windows.`
      : 'Revenue by window: none has closed yet.');
  }

  /**
   * @param {number} first @param {number} last @param {number} most @param {(ms: number) => number} x
   * @param {(amount: number) => number} y @param {number} width @param {number} height @param {number} offset @param {number} length
   */
  drawGrid(first, last, most, x, y, width, height, offset, length) {
    const parts = [];
    for (let step = 0; step <= 4; step += 1) {
      const amount = (most * step) / 4;
      parts.push(svg('line', { x1: MARGIN.left, x2: width - MARGIN.right, y1: y(amount), y2: y(amount) }));
      const label = svg('text', { x: MARGIN.left - 8, y: y(amount) + 4, 'text-anchor': 'end' });
      label.textContent = moneyTick(amount);
      parts.push(label);
    }
    const step = timeStep((last - first) / Math.max(2, (width - MARGIN.left) / 90));
    const local = offset * 60_000;
    for (let ms = Math.ceil((first + local) / step) * step - local; ms <= last; ms += step) {
      if (x(ms) > width - 20) continue;
      const label = svg('text', { x: x(ms), y: height - 6, 'text-anchor': 'middle' });
      label.textContent = clock(ms, offset, step < 60_000 || length < 30_000 && step % 60_000 !== 0);
      parts.push(svg('line', { class: 'tick', x1: x(ms), x2: x(ms), y1: y(0), y2: y(0) + 4 }), label);
    }
    this.grid.replaceChildren(...parts);
  }
}

/** The least round amount that is no less and divides in four. @param {number} amount cents */
export function ceiling(amount) {
  const power = 10 ** Math.floor(Math.log10(amount));
  for (const factor of [1, 1.2, 1.6, 2, 2.4, 3.2, 4, 5, 6, 8, 10]) {
    if (power * factor >= amount) return power * factor;
  }
  return power * 10;
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400].map((seconds) => seconds * 1000);

/** @param {number} least milliseconds */
export function timeStep(least) {
  return STEPS.find((step) => step >= least) ?? 86_400_000;
}
