// Numbers and instants as a person reads them. Money is counted in cents, which a double holds exactly up to 90 trillion.

const INTEGER = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const DECIMAL = new Intl.NumberFormat('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 });

/**
 * The feed's money, `"1234.50"`, in cents.
 * @param {string} text
 */
export function cents(text) {
  return Number(text.replace('.', ''));
}

/** @param {number} amount cents */
export function money(amount) {
  return DECIMAL.format(amount / 100);
}

/**
 * Money without cents, once it is large enough that nobody misses them.
 * @param {number} amount cents
 */
export function moneyShort(amount) {
  return amount >= 10_000_000 ? INTEGER.format(amount / 100) : money(amount);
}

/**
 * Money in few characters, for axes.
 * @param {number} amount cents
 */
export function moneyTick(amount) {
  const whole = amount / 100;
  if (whole >= 1e9) return `${trim(whole / 1e9)}B`;
  if (whole >= 1e6) return `${trim(whole / 1e6)}M`;
  if (whole >= 1e3) return `${trim(whole / 1e3)}k`;
  return trim(whole);
}

/** @param {number} value */
function trim(value) {
  return String(Math.round(value * 100) / 100);
}

/** @param {number} value */
export function integer(value) {
  return INTEGER.format(value);
}

/**
 * A count in few characters that do not change in width from one moment to the next.
 * @param {number} value
 */
export function short(value) {
  if (value >= 1e9) return `${(value / 1e9).toFixed(2)} B`;
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(1)} k`;
  return INTEGER.format(value);
}

/**
 * A share as percent; a dash where there is none.
 * @param {number | null | undefined} share
 * @param {number} digits
 */
export function percent(share, digits = 1) {
  return share === null || share === undefined || !Number.isFinite(share) ? '–' : `${(share * 100).toFixed(digits)} %`;
}

/**
 * Local time of the shop. `withSeconds` where windows are shorter than a minute.
 * @param {number} ms @param {number} offsetMinutes @param {boolean} withSeconds
 */
export function clock(ms, offsetMinutes, withSeconds = false) {
  return new Date(ms + offsetMinutes * 60_000).toISOString().slice(11, withSeconds ? 19 : 16);
}

/** @param {number} ms @param {number} offsetMinutes */
export function date(ms, offsetMinutes) {
  return new Date(ms + offsetMinutes * 60_000).toISOString().slice(0, 10);
}

/**
 * A span in the largest unit that leaves it readable.
 * @param {number} ms
 */
export function span(ms) {
  const seconds = ms / 1000;
  if (seconds < 1) return `${Math.round(ms)} ms`;
  if (seconds < 120) return `${Number.isInteger(seconds) ? seconds : seconds.toFixed(1)} s`;
  if (seconds < 7200) return `${trim(seconds / 60)} min`;
  return `${trim(seconds / 3600)} h`;
}

/** What reasons and stages are called on the page. @param {string} name */
export function words(name) {
  return name.replaceAll('_', ' ');
}

/** A grain as a word: `1m` is a minute. @param {string} grain */
export function grainWord(grain) {
  const word = { '1s': 'second', '1m': 'minute', '1h': 'hour', '1d': 'day' }[grain];
  return word ?? `${grain} window`;
}

/** A count with its noun. @param {number} value @param {string} noun in the singular */
export function counted(value, noun) {
  return `${integer(value)} ${noun}${value === 1 ? '' : 's'}`;
}
