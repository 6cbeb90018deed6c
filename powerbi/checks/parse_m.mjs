// Reads M with Microsoft's own parser: one JSON object {name: text} on stdin, one line for each text that does not parse.
// Exit 1 if there was one.

import { readFileSync } from "node:fs";
import * as PQP from "@microsoft/powerquery-parser";

const settings = PQP.DefaultSettings;
let failed = 0;
for (const [name, text] of Object.entries(JSON.parse(readFileSync(0, "utf-8")))) {
  const task = await PQP.TaskUtils.tryLexParse(settings, text);
  if (PQP.TaskUtils.isParseStageOk(task)) continue;
  failed += 1;
  console.log(`${name}: ${task.error?.message ?? JSON.stringify(task.resultKind)}`);
}
console.log(failed ? `${failed} texts do not parse` : "Microsoft's parser reads every M text");
process.exit(failed ? 1 : 0);
