// The WebAssembly modules of wasm-demo/dist, loaded into Node: the same bytes a browser runs.

import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

const dist = new URL('../dist/engine/', import.meta.url);

/** Loads a module: `simd`, `scalar` or `parquet`. */
export async function load(name) {
  const module = await import(new URL(`${name}.js`, dist));
  module.initSync({ module: readFileSync(new URL(`${name}_bg.wasm`, dist)) });
  return module;
}

/** The bytes of a file, as the engine asks for them. */
export class FileBytes {
  constructor(path) {
    this.file = openSync(path, 'r');
  }

  read(into) {
    const count = readSync(this.file, into);
    if (count === 0) closeSync(this.file);
    return count;
  }
}

/** Runs a file through to its end. */
export function analyse({ Engine }, path, settings = {}) {
  const engine = Engine.ofFile(JSON.stringify(settings), 'test', path, new FileBytes(path), Date.now());
  let records = 0;
  while (!engine.isFinished) records += engine.run(1_000_000, Number.MAX_SAFE_INTEGER);
  return { engine, records };
}
