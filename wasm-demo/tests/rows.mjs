// Writes every Gold table that WebAssembly makes of a file: node rows.mjs BUILD FILE FOLDER

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { analyse, load } from './engine.mjs';

const [, , build, file, folder] = process.argv;
const [engineModule, { parquet }] = [await load(build), await load('parquet')];
const { engine, records } = analyse(engineModule, file);
mkdirSync(folder, { recursive: true });
const tables = engine.tables();
tables.forEach((text, index) => {
  const [name, schema] = text.split(' ');
  const rows = engine.rowCount(index);
  writeFileSync(join(folder, `${name}.csv`), engine.csv(index, 0, rows));
  writeFileSync(join(folder, `${name}.parquet`), parquet(schema, engine.wire(index, 0, rows)));
});
console.log(`${build}: ${records} records, ${tables.length} tables`);
