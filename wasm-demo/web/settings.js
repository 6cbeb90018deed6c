// The demo's settings: what the sliders say, what stands in the address, what the engine is told.

/**
 * @typedef {object} Control
 * @property {string} key the name in the address
 * @property {string} label
 * @property {number[]} steps the values, ascending
 * @property {number} value the one unless set
 * @property {(value: number) => string} show
 * @property {string} help
 */

/** @param {number} share */
const share = (share) => `${Number((share * 100).toFixed(2))} %`;
/** @param {number} seconds */
const seconds = (seconds) => (seconds < 120 ? `${seconds} s` : `${seconds / 60} min`);
const SHARES = [0, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3];

/** Midnight at which the simulated day begins. */
export const START_MS = Date.UTC(2026, 0, 1);

/** Faster than any clock: as fast as the machine can. */
export const FULL_SPEED = 100_000;

/** @type {Control[]} */
export const CONTROLS = [
  { key: 'rate', label: 'Events a second', steps: [5, 10, 20, 50, 100, 200, 500, 1000, 2000], value: 100, show: String, help: 'of the shop’s time' },
  { key: 'speed', label: 'Time lapse', steps: [1, 2, 5, 10, 20, 60, 300, 1200, FULL_SPEED], value: 10, show: (value) => (value === FULL_SPEED ? 'full speed' : `${value} ×`), help: 'shop’s seconds in one' },
  { key: 'delayed', label: 'Out of order', steps: SHARES, value: 0.05, show: share, help: 'in time: they count' },
  { key: 'late', label: 'Late', steps: SHARES, value: 0.01, show: share, help: 'window closed: bounce off' },
  { key: 'duplicates', label: 'Duplicates', steps: SHARES, value: 0.02, show: share, help: 'copies count once' },
  { key: 'malformed', label: 'Malformed', steps: SHARES, value: 0.005, show: share, help: 'rejected, with a reason' },
  { key: 'lateness', label: 'Allowed lateness', steps: [0, 1, 2, 5, 10, 20, 30, 60, 120, 300], value: 10, show: seconds, help: 'the watermark trails by it' },
  { key: 'window', label: 'Window', steps: [10, 15, 20, 30, 60, 120, 300, 600, 900], value: 60, show: seconds, help: 'tumbling, of this length' },
];

/**
 * @typedef {{ form: 'lines' | 'events', seed: number } & Record<string, any>} Settings
 */

/** @returns {Settings} */
export function defaults() {
  return { form: 'lines', seed: 1, ...Object.fromEntries(CONTROLS.map(({ key, value }) => [key, value])) };
}

/**
 * The settings of an address; what is missing or makes no sense is as usual.
 * @param {string} search
 * @returns {Settings}
 */
export function fromAddress(search) {
  const settings = defaults();
  const parameters = new URLSearchParams(search);
  for (const { key, steps } of CONTROLS) {
    const given = parameters.get(key);
    const value = given === 'full' ? FULL_SPEED : Number(given);
    if (given !== null && steps.includes(value)) settings[key] = value;
  }
  const seed = Number(parameters.get('seed'));
  if (Number.isSafeInteger(seed) && seed > 0) settings.seed = seed;
  if (parameters.get('form') === 'events') settings.form = 'events';
  return settings;
}

/**
 * An address that brings these settings back: only what is not as usual.
 * @param {Settings} settings
 */
export function toAddress(settings) {
  const usual = defaults();
  const parameters = new URLSearchParams();
  for (const key of Object.keys(usual)) {
    if (settings[key] === usual[key]) continue;
    parameters.set(key, key === 'speed' && settings[key] === FULL_SPEED ? 'full' : String(settings[key]));
  }
  const text = parameters.toString();
  return text ? `?${text}` : '';
}

/**
 * What the engine is told. How fast it goes is the worker's business.
 * @param {Settings} settings
 */
export function forEngine(settings) {
  const { rate, duplicates, delayed, late, malformed, seed, form } = settings;
  return { rate, duplicates, delayed, late, malformed, seed, form, window_seconds: settings.window, lateness_seconds: settings.lateness };
}
