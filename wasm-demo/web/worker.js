// The engine's thread: everything heavy. It runs slices of some milliseconds and tells the page what came of them.

import { FULL_SPEED, START_MS } from './settings.js';

/** How long a slice of work may last before the worker listens again. */
const SLICE_MS = 12;
/** How many records a slice takes at once between two looks at the clock. */
const STEP_RECORDS = 4096;
/** How often the page is told, at most. */
const TELL_MS = 33;
const TELL_FULL_SPEED_MS = 100;
/** How often distinct counts of open windows are made: each costs a copy of their sets. */
const COUNT_MS = 500;
/** How long settings that have changed may take to catch up with where the shop was. */
const CATCH_UP_MS = 2500;
/** Rows of a table that come over at once. */
const CHUNK_ROWS = 50_000;

/** The smallest module that uses a vector: whether the browser can. */
const SIMD_PROBE = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11]);

/** @type {any} the module's Engine class */
let Engine;
/** @type {any} */
let engine = null;
let form = '';
let build = '';
let run = 0;
let speed = 1;
let isPaused = false;
let isDotting = false;
/** Where event time should be by now, in milliseconds. */
let target = START_MS;
/** @type {number | null} until where event time hurries */
let hurry = null;
let hurryEnds = 0;
let started = 0;
let ticked = 0;
let told = 0;
let counted = 0;
/** Records and moments of the last second, for the rate. */
let rates = [];
let records = 0;
/** Wakes the worker without the delay of a timer. */
const channel = new MessageChannel();
let isAwake = false;

const now = () => performance.now();

async function load() {
  build = WebAssembly.validate(SIMD_PROBE) && !self.name.includes('scalar') ? 'simd' : 'scalar';
  const module = await import(`./engine/${build}.js`);
  await module.default();
  Engine = module.Engine;
}

/** @param {any} message @param {Transferable[]} [transfer] */
function post(message, transfer) {
  self.postMessage(message, transfer ?? []);
}

/** @param {string} state @param {string} text */
function postState(state, text) {
  post({ type: 'state', state, text });
}

/** @param {any} made the engine @param {string} name */
function begin(made, name) {
  engine?.free();
  engine = made;
  form = name;
  engine.turnDots(isDotting);
  started = ticked = told = now();
  counted = 0;
  records = 0;
  rates = [[started, 0]];
  wake();
}

/** @param {any} error */
function fail(error) {
  engine?.free();
  engine = null;
  postState('failed', error instanceof Error ? error.message : String(error));
}

function wake() {
  if (isAwake) return;
  isAwake = true;
  channel.port2.postMessage(null);
}

channel.port1.onmessage = () => {
  isAwake = false;
  if (!engine) return;
  try {
    work();
  } catch (error) {
    fail(error);
  }
};

function isFull() {
  return form === 'file' || speed === FULL_SPEED || hurry !== null;
}

function work() {
  const begun = now();
  const elapsed = Math.min(begun - ticked, 250);
  ticked = begun;
  if (!isPaused && !engine.isFinished) {
    if (isFull()) {
      const until = hurry ?? Number.MAX_SAFE_INTEGER;
      while (now() - begun < SLICE_MS && !engine.isFinished) {
        const taken = engine.run(STEP_RECORDS, until);
        records += taken;
        if (taken === 0) break;
      }
      const reached = engine.eventTimeMax ?? START_MS;
      target = Math.max(target, reached);
      if (hurry !== null && (reached >= hurry - 1000 || begun > hurryEnds || engine.isFinished)) {
        hurry = null;
        target = reached;
      }
    } else {
      target += elapsed * speed;
      // What is too much for a slice is not caught up with later: the shop then lives more slowly.
      let isBehind = true;
      while (isBehind && now() - begun < SLICE_MS) {
        const taken = engine.run(STEP_RECORDS, target);
        records += taken;
        isBehind = taken >= STEP_RECORDS;
      }
      if (isBehind) target = engine.eventTimeMax ?? target;
    }
  }
  const full = isFull();
  const at = now();
  if (at - told >= (full ? TELL_FULL_SPEED_MS : TELL_MS) || engine.isFinished) tell(at);
  if (engine.isFinished) {
    postState('ended', form === 'file' ? 'File read' : 'The day is over');
  } else if (isPaused) {
    // The next message wakes it.
  } else if (full) {
    wake();
  } else {
    setTimeout(wake, 16);
  }
}

/** @param {number} at */
function tell(at) {
  told = at;
  rates.push([at, records]);
  while (rates.length > 2 && at - rates[0][0] > 1000) rates.shift();
  const [since, before] = rates[0];
  const rate = at > since ? ((records - before) * 1000) / (at - since) : 0;
  const withCounts = at - counted >= COUNT_MS;
  if (withCounts) counted = at;
  post({ type: 'messages', json: engine.takeMessages(at - started, rate, withCounts) });
  if (isDotting) {
    const dots = engine.takeDots();
    if (dots.length) post({ type: 'dots', dots }, [dots.buffer]);
  }
}

/** The bytes of a file, read as the engine asks for them. */
class FileBytes {
  /** @param {Blob} blob */
  constructor(blob) {
    this.blob = blob;
    this.at = 0;
    this.reader = new FileReaderSync();
  }

  /** @param {Uint8Array} into the engine's own memory @returns how many bytes came; 0 at the end */
  read(into) {
    const part = this.blob.slice(this.at, this.at + into.length);
    this.at += part.size;
    into.set(new Uint8Array(this.reader.readAsArrayBuffer(part)));
    return part.size;
  }
}

/** @param {File} file */
async function unpacked(file) {
  if (file.name.endsWith('.zst')) throw new Error('zstd files cannot be unpacked by a browser; the command line reads them');
  if (!file.name.endsWith('.gz')) return file;
  postState('starting', 'Unpacking…');
  try {
    return await new Response(file.stream().pipeThrough(new DecompressionStream('gzip'))).blob();
  } catch (error) {
    throw new Error(`${file.name} is no whole gzip file: ${error instanceof Error ? error.message : error}`);
  }
}

/** What a table's name and place are; `kpis_1m` and `kpis`. */
function tables() {
  return engine.tables().map((text, index) => {
    const [name, schema] = text.split(' ');
    return { index, name, schema, rows: engine.rowCount(index) };
  });
}

/**
 * A table for download: CSV in chunks, or the whole as Parquet.
 * @param {number} id @param {number} index @param {string} format
 */
async function download(id, index, format) {
  if (!engine) throw new Error('nothing has been read yet');
  const table = tables()[index];
  if (format === 'csv') {
    for (let first = 0; first === 0 || first < table.rows; first += CHUNK_ROWS) {
      const bytes = engine.csv(index, first, CHUNK_ROWS);
      post({ type: 'chunk', id, bytes }, [bytes.buffer]);
    }
    return table.name;
  }
  const chunks = [];
  for (let first = 0; first < table.rows; first += CHUNK_ROWS) chunks.push(engine.wire(index, first, CHUNK_ROWS));
  const rows = new Uint8Array(await new Blob(chunks).arrayBuffer());
  const module = await import('./engine/parquet.js');
  await module.default();
  const bytes = module.parquet(table.schema, rows);
  post({ type: 'chunk', id, bytes }, [bytes.buffer]);
  return table.name;
}

/** How many records a second go through, by form, on this machine. @param {object} settings @param {number} milliseconds */
async function measure(settings, milliseconds) {
  const rates = {};
  for (const form of ['lines', 'events']) {
    const scratch = Engine.simulated(JSON.stringify({ ...settings, form }), 'measure');
    let taken = 0;
    // The first part warms up: tables grow, the browser compiles.
    let begun = 0;
    for (let round = 0; begun === 0 || now() - begun < milliseconds; round += 1) {
      if (round === 40) {
        begun = now();
        taken = 0;
      }
      const slice = now();
      while (now() - slice < SLICE_MS && !scratch.isFinished) taken += scratch.run(STEP_RECORDS, Number.MAX_SAFE_INTEGER);
      scratch.takeMessages(0, 0, false);
      if (scratch.isFinished) break;
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    rates[form] = begun ? (taken * 1000) / (now() - begun) : 0;
    scratch.free();
  }
  return { ...rates, build };
}

/** @param {any} data */
async function answer(data) {
  switch (data.type) {
    case 'simulate':
      run += 1;
      ({ speed } = data);
      isPaused = false;
      target = START_MS;
      hurry = data.until;
      hurryEnds = now() + CATCH_UP_MS;
      begin(Engine.simulated(JSON.stringify(data.settings), `sim ${run}`), data.settings.form);
      postState('running', build);
      return undefined;
    case 'analyse': {
      run += 1;
      engine?.free();
      engine = null;
      isPaused = false;
      hurry = null;
      const file = new FileBytes(await unpacked(data.file));
      const made = Engine.ofFile(JSON.stringify(data.settings), `file ${run}`, data.file.name, file, Date.now());
      begin(made, 'file');
      postState('running', build);
      return undefined;
    }
    case 'pace':
      ({ speed, isPaused } = data);
      ticked = now();
      if (!isPaused) target = Math.max(START_MS, engine?.eventTimeMax ?? 0);
      wake();
      return undefined;
    case 'dots':
      isDotting = data.isOn;
      engine?.turnDots(isDotting);
      return undefined;
    case 'tables':
      return { tables: engine ? tables() : [], isCut: engine?.isCut ?? false };
    case 'download':
      return download(data.id, data.index, data.format);
    case 'measure':
      return measure(data.settings, data.milliseconds);
    default:
      throw new Error(`the page asked for ${data.type}`);
  }
}

const loaded = load();
self.addEventListener('message', async ({ data }) => {
  try {
    await loaded;
    const value = await answer(data);
    if (data.id !== undefined) post({ type: 'answer', id: data.id, value });
  } catch (error) {
    if (data.id === undefined) fail(error);
    else post({ type: 'answer', id: data.id, error: error instanceof Error ? error.message : String(error) });
  }
});
