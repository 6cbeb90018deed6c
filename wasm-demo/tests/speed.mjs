// The session as WebAssembly in Node: node speed.mjs BUILD lines|events|FILE. Prints the records a second of the best of some
// rounds, as examples/speed.rs does natively.

import { FileBytes, load } from './engine.mjs';

const ROUNDS = 3;
const [, , build, what] = process.argv;
const { Engine } = await load(build);

function open() {
  const settings = { hours: 1, rate: 400 };
  if (what === 'lines' || what === 'events') return Engine.simulated(JSON.stringify({ ...settings, form: what }), 'speed');
  return Engine.ofFile(JSON.stringify(settings), 'speed', what, new FileBytes(what), Date.now());
}

let best = 0;
for (let round = 0; round < ROUNDS; round += 1) {
  const engine = open();
  const start = performance.now();
  let records = 0;
  while (!engine.isFinished) {
    records += engine.run(1_000_000, Number.MAX_SAFE_INTEGER);
    engine.takeMessages(0, 0, false);
  }
  best = Math.max(best, (records * 1000) / (performance.now() - start));
  engine.free();
}
console.log(best.toFixed(0));
