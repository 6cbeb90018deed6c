// The picture that teaches: time runs to the right, the watermark trails behind the newest event, records fall into the
// window of their own time, and a window that the watermark has passed is closed for good.
//
// A record enters at the top, at the moment it comes ("now"), and flies to the place of its event time. What was held back
// flies to the left. Where its window is closed already it bounces off.

import { cents, clock, date, integer, moneyTick, span } from './format.js';
import { timeStep } from './revenue.js';

const ACCEPTED = 0;
const DUPLICATE = 1;
const LATE = 2;
const REJECTED = 3;

/** The most records in the air. */
const FLYING_MAX = 700;
/** How long one flies, in milliseconds. */
const FLIGHT_MS = 850;
/** How many of the ordinary ones are drawn of each message: enough to see a stream. */
const ORDINARY_MAX = 7;

/**
 * @typedef {object} Flying
 * @property {number} time event time
 * @property {number} came the newest event time when it came
 * @property {number} outcome
 * @property {boolean} isDelayed
 * @property {number} born
 * @property {number} sway a number of its own from -0.5 to 0.5
 */

export class Picture {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
    /** @type {Flying[]} */
    this.flying = [];
    /** @type {number | null} the newest event time as drawn: runs smoothly after the one told */
    this.now = null;
    this.drawn = 0;
    /** @type {Map<number, number>} when each window was first seen closed */
    this.closedAt = new Map();
    /** Events of the fullest window, as drawn. */
    this.most = 1;
    /** @type {Map<number, number>} events of the windows in sight */
    this.events = new Map();
    this.isStill = matchMedia('(prefers-reduced-motion: reduce)').matches;
    this.colours = readColours();
  }

  /** Reads the theme's colours anew. */
  retheme() {
    this.colours = readColours();
  }

  reset() {
    this.flying = [];
    this.now = null;
    this.closedAt.clear();
    this.most = 1;
  }

  /** @param {Float64Array} dots four numbers each */
  add(dots) {
    if (this.isStill) return;
    const born = performance.now();
    let ordinary = 0;
    const count = dots.length / 4;
    const stride = Math.max(1, Math.ceil(count / ORDINARY_MAX));
    for (let index = 0; index < count; index += 1) {
      const [time, came, outcome, delayed] = dots.subarray(index * 4, index * 4 + 4);
      if (outcome === ACCEPTED && !delayed && (index % stride || (ordinary += 1) > ORDINARY_MAX)) continue;
      if (this.flying.length >= FLYING_MAX) break;
      this.flying.push({ time, came, outcome, isDelayed: delayed === 1, born: born + (index / count) * 33, sway: Math.random() - 0.5 });
    }
  }

  /** @param {import('./state.js').State} state @param {number} at the moment @param {boolean} isTooFast */
  draw(state, at, isTooFast) {
    const { canvas, context } = this;
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const { status, hello } = state;
    const told = status?.event_time_max_ms ?? (state.base.at(-1)?.end || null);
    const elapsed = Math.min(at - this.drawn, 100);
    this.drawn = at;
    if (told === null || !hello) {
      this.now = null;
      this.say(width, height, 'Waiting for the first event…');
      return;
    }
    const length = hello.window_ms;
    // Runs after what is told, so that it glides; leaps where it is far behind.
    const before = this.now;
    const isFar = before === null || isTooFast || told < before || told - before > 3 * length;
    const now = isFar ? told : before + (told - before) * (1 - Math.exp(-elapsed / 90));
    this.now = now;
    const watermark = state.end ? told : now - hello.lateness_ms;
    const scene = new Scene(width, height, now, hello, Math.max(3.7 * length, hello.lateness_ms + 2.6 * length));
    this.drawWindows(scene, state, at, isTooFast);
    this.drawAxis(scene, hello);
    this.drawWatermark(scene, watermark, hello, Boolean(state.end));
    if (isTooFast) {
      this.flying.length = 0;
      this.say(width, height * 0.5, state.end ? '' : 'Too fast to watch single records');
    } else {
      this.drawFlying(scene, at, length, watermark, hello.utc_offset_minutes * 60_000);
    }
  }

  /** @param {number} width @param {number} height @param {string} text */
  say(width, height, text) {
    const { context, colours } = this;
    context.fillStyle = colours.muted;
    context.font = colours.font;
    context.textAlign = 'center';
    context.fillText(text, width / 2, height / 2);
  }

  /** @param {Scene} scene @param {import('./state.js').State} state @param {number} at @param {boolean} isTooFast */
  drawWindows(scene, state, at, isTooFast) {
    const { context, colours } = this;
    const closed = state.base.slice(-14).filter((window) => window.end > scene.first);
    const open = state.open.windows;
    const mostNow = Math.max(1, ...closed.map((window) => window.events), ...open.map((/** @type {any} */ window) => window.events));
    this.most += (mostNow - this.most) * 0.06;
    if (mostNow > this.most * 1.5 || this.most > mostNow * 4) this.most = mostNow;
    this.events.clear();
    for (const window of closed) this.events.set(window.start, window.events);
    for (const window of open) this.events.set(window.start_ms, window.events);
    const top = (/** @type {number} */ events) => this.top(scene, events);
    for (const window of closed) {
      const seen = this.closedAt.get(window.start);
      if (seen === undefined) this.closedAt.set(window.start, at);
      const freshness = this.isStill || isTooFast ? 0 : Math.max(0, 1 - (at - (seen ?? at)) / 700);
      const [left, right, y] = [scene.x(window.start) + 1.5, scene.x(window.end) - 1.5, top(window.events)];
      context.fillStyle = colours.final;
      context.fillRect(left, y, right - left, scene.ground - y);
      // The lid: nothing gets in any more.
      context.fillStyle = colours.lid;
      context.fillRect(left, y - 3, right - left, 3);
      if (freshness > 0) {
        context.globalAlpha = freshness * 0.55;
        context.fillStyle = colours.lid;
        context.fillRect(left, y, right - left, scene.ground - y);
        context.globalAlpha = 1;
      }
      this.label(left, right, scene, y, 'final', moneyTick(window.revenue), integer(window.events), colours.onFinal);
    }
    if (this.closedAt.size > 64) {
      for (const [start] of [...this.closedAt].slice(0, 32)) this.closedAt.delete(start);
    }
    for (const window of open) {
      const [left, right, y] = [scene.x(window.start_ms) + 1.5, scene.x(window.end_ms) - 1.5, top(window.events)];
      if (right < 0) continue;
      context.save();
      context.beginPath();
      context.rect(left, y, right - left, scene.ground - y);
      context.fillStyle = colours.open;
      context.fill();
      context.clip();
      // Hatched, because it is not settled.
      context.strokeStyle = colours.hatch;
      context.lineWidth = 2;
      context.beginPath();
      const phase = ((left % 9) + 9) % 9;
      for (let x = left - phase - (scene.ground - y); x < right + 9; x += 9) {
        context.moveTo(x, scene.ground);
        context.lineTo(x + (scene.ground - y), y);
      }
      context.stroke();
      context.restore();
      context.setLineDash([5, 4]);
      context.strokeStyle = colours.outline;
      context.lineWidth = 1.5;
      context.strokeRect(left, y, right - left, scene.ground - y);
      context.setLineDash([]);
      this.label(left, right, scene, y, 'open', moneyTick(cents(window.revenue)), integer(window.events), colours.onOpen);
    }
  }

  /**
   * @param {number} left @param {number} right @param {Scene} scene @param {number} top @param {string} state
   * @param {string} revenue @param {string} events @param {string} colour
   */
  label(left, right, scene, top, state, revenue, events, colour) {
    const { context, colours } = this;
    const width = right - left;
    const inside = scene.ground - top;
    if (width < 46 || inside < 24) return;
    context.textAlign = 'center';
    const x = (left + right) / 2;
    context.fillStyle = colour;
    context.font = colours.fontBold;
    context.fillText(state, x, scene.ground - 8);
    context.font = colours.font;
    if (inside > 44 && width > 60) context.fillText(revenue, x, scene.ground - 24);
    if (inside > 62 && width > 84) context.fillText(`${events} events`, x, scene.ground - 40);
  }

  /** @param {Scene} scene @param {any} hello */
  drawAxis(scene, hello) {
    const { context, colours } = this;
    context.strokeStyle = colours.axis;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(0, scene.ground + 0.5);
    context.lineTo(scene.width, scene.ground + 0.5);
    context.stroke();
    context.fillStyle = colours.muted;
    context.font = colours.font;
    context.textAlign = 'center';
    const length = hello.window_ms;
    const step = Math.max(length, timeStep((scene.last - scene.first) / (scene.width / 80)));
    const local = hello.utc_offset_minutes * 60_000;
    for (let ms = Math.floor((scene.first + local) / step) * step - local; ms < scene.last + step; ms += step) {
      const x = scene.x(ms);
      if (x < 18 || x > scene.width - 18) continue;
      context.fillText(clock(ms, hello.utc_offset_minutes, length < 60_000), x, scene.ground + 18);
      context.fillRect(Math.round(x), scene.ground, 1, 4);
    }
  }

  /** @param {Scene} scene @param {number} watermark @param {any} hello @param {boolean} hasEnded */
  drawWatermark(scene, watermark, hello, hasEnded) {
    const { context, colours } = this;
    const [x, now] = [scene.x(watermark), scene.x(scene.now)];
    // What lies behind the watermark is settled.
    context.fillStyle = colours.settled;
    context.fillRect(0, scene.top, x, scene.ground - scene.top);
    context.strokeStyle = colours.muted;
    context.lineWidth = 1;
    context.setLineDash([2, 4]);
    context.beginPath();
    context.moveTo(now, scene.top);
    context.lineTo(now, scene.ground);
    context.stroke();
    context.setLineDash([]);
    context.strokeStyle = colours.watermark;
    context.lineWidth = 2.5;
    context.beginPath();
    context.moveTo(x, scene.top - 4);
    context.lineTo(x, scene.ground);
    context.stroke();
    context.font = colours.fontBold;
    context.fillStyle = colours.watermark;
    context.textAlign = 'right';
    context.fillText('watermark', x - 6, scene.top + 8);
    if (hasEnded) return;
    context.textAlign = 'left';
    context.fillStyle = colours.muted;
    context.fillText('newest event', now + 6, scene.top + 8);
    // How far it trails.
    const y = scene.top - 10;
    context.strokeStyle = colours.watermark;
    context.lineWidth = 1.5;
    context.beginPath();
    context.moveTo(x, y + 4);
    context.lineTo(x, y);
    context.lineTo(now, y);
    context.lineTo(now, y + 4);
    context.stroke();
    context.font = colours.font;
    context.fillStyle = colours.text;
    context.textAlign = 'center';
    const text = `allowed lateness ${span(hello.lateness_ms)}`;
    const half = context.measureText(text).width / 2;
    context.fillText(text, Math.min(Math.max((x + now) / 2, half + 4), scene.width - half - 4), y - 6);
  }

  /** @param {Scene} scene @param {number} at @param {number} length @param {number} watermark @param {number} local */
  drawFlying(scene, at, length, watermark, local) {
    const { context, colours } = this;
    let kept = 0;
    for (const record of this.flying) {
      const age = (at - record.born) / FLIGHT_MS;
      const life = record.outcome === LATE ? 2 : record.outcome === DUPLICATE ? 1.45 : 1;
      if (age >= life) continue;
      this.flying[kept] = record;
      kept += 1;
      if (age < 0) continue;
      const window = Math.floor((record.time + local) / length) * length - local;
      const from = scene.x(record.came) + record.sway * 10;
      const to = Math.min(Math.max(scene.x(record.time) + record.sway * 6, scene.x(window) + 5), scene.x(window + length) - 5);
      const surface = this.surface(scene, window);
      if (record.outcome === REJECTED) this.drawRejected(scene, from, age);
      else if (record.outcome === LATE) this.drawLate(scene, from, to, surface, age);
      else {
        const landed = Math.min(1, age);
        const x = from + (to - from) * ease(landed);
        const y = scene.top + 14 + (surface - scene.top - 14) * landed * landed;
        if (record.outcome === DUPLICATE) this.drawDuplicate(x, y, age);
        else if (record.isDelayed) {
          context.fillStyle = colours.delayed;
          diamond(context, x, y, 4.6);
        } else {
          context.fillStyle = colours.accepted;
          context.beginPath();
          context.arc(x, y, 2.8, 0, 7);
          context.fill();
        }
      }
    }
    this.flying.length = kept;
  }

  /** Where the top of a window's bin is. @param {Scene} scene @param {number} start */
  surface(scene, start) {
    const events = this.events.get(start) ?? 0;
    return this.top(scene, events);
  }

  /** Where so many events reach to. @param {Scene} scene @param {number} events */
  top(scene, events) {
    return scene.ground - Math.max(3, Math.min(1.06, events / this.most) * scene.binHeight);
  }

  /** @param {number} x @param {number} y @param {number} age */
  drawDuplicate(x, y, age) {
    const { context, colours } = this;
    // Lands like any other and is gone: its first copy is in already.
    const gone = Math.max(0, age - 1) / 0.45;
    context.globalAlpha = 1 - gone;
    context.strokeStyle = colours.duplicate;
    context.lineWidth = 2;
    context.beginPath();
    context.arc(x, y - gone * 6, 3.6 + gone * 8, 0, 7);
    context.stroke();
    context.globalAlpha = 1;
  }

  /** @param {Scene} scene @param {number} x @param {number} age */
  drawRejected(scene, x, age) {
    const { context, colours } = this;
    const [left, y] = [x + age * 46, scene.top + 16 + age * age * 52];
    context.globalAlpha = 1 - age;
    context.strokeStyle = colours.rejected;
    context.lineWidth = 2.2;
    context.beginPath();
    context.moveTo(left - 4, y - 4);
    context.lineTo(left + 4, y + 4);
    context.moveTo(left + 4, y - 4);
    context.lineTo(left - 4, y + 4);
    context.stroke();
    context.globalAlpha = 1;
  }

  /** @param {Scene} scene @param {number} from @param {number} to @param {number} surface @param {number} age */
  drawLate(scene, from, to, surface, age) {
    const { context, colours } = this;
    let [x, y] = [to, surface - 7];
    if (age < 1) {
      x = from + (to - from) * ease(age);
      y = scene.top + 14 + (surface - 7 - scene.top - 14) * age * age;
    } else {
      // Off the lid, in an arc, and away.
      const after = age - 1;
      x = to - after * 58;
      y = surface - 7 - 62 * (after * 1.7 - after * after * 1.5);
      context.globalAlpha = Math.max(0, 1 - after * after);
    }
    context.fillStyle = colours.late;
    context.beginPath();
    context.moveTo(x, y - 6);
    context.lineTo(x + 6, y + 5);
    context.lineTo(x - 6, y + 5);
    context.fill();
    context.globalAlpha = 1;
  }

  /** What is to be seen, in words. @param {import('./state.js').State} state */
  describe(state) {
    const { hello, status } = state;
    if (!hello || !status?.event_time_max_ms) return 'No event has come yet.';
    const offset = hello.utc_offset_minutes;
    const at = `${date(status.event_time_max_ms, offset)} ${clock(status.event_time_max_ms, offset, true)}`;
    if (state.end) return `All windows are closed; the newest event was of ${at}.`;
    const open = state.open.windows.length;
    return `Newest event ${at}. The watermark trails it by ${span(hello.lateness_ms)}: a window closes when it has passed the window’s end, and is final then. ${open} open now.`;
  }
}

/** What is where. */
class Scene {
  /** @param {number} width @param {number} height @param {number} now @param {any} hello @param {number} past how much of it is to be seen */
  constructor(width, height, now, hello, past) {
    const wide = width < 520 ? 0.72 : 1;
    this.width = width;
    this.top = 40;
    this.ground = height - 26;
    this.binHeight = (this.ground - this.top) * 0.52;
    this.now = now;
    this.first = now - past * wide;
    this.last = now + past * wide * 0.24;
  }

  /** @param {number} ms */
  x(ms) {
    return ((ms - this.first) / (this.last - this.first)) * this.width;
  }
}

/** @param {number} share */
function ease(share) {
  return 1 - (1 - share) * (1 - share);
}

/** @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {number} size */
function diamond(context, x, y, size) {
  context.beginPath();
  context.moveTo(x, y - size);
  context.lineTo(x + size, y);
  context.lineTo(x, y + size);
  context.lineTo(x - size, y);
  context.fill();
}

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const colour = (/** @type {string} */ name) => style.getPropertyValue(`--${name}`).trim();
  const family = getComputedStyle(document.body).fontFamily;
  return {
    font: `12px ${family}`,
    fontBold: `600 12px ${family}`,
    text: colour('text'),
    muted: colour('muted'),
    axis: colour('line-strong'),
    final: colour('final'),
    lid: colour('lid'),
    onFinal: colour('on-final'),
    open: colour('open'),
    hatch: colour('hatch'),
    outline: colour('outline'),
    onOpen: colour('text'),
    settled: colour('settled'),
    watermark: colour('watermark'),
    accepted: colour('accepted'),
    delayed: colour('delayed'),
    duplicate: colour('duplicate'),
    late: colour('late'),
    rejected: colour('rejected'),
  };
}
