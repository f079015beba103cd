/**
 * `npm run bench`: every benchmark, one after another, so that none disturbs another. `npm run bench -- NAME ...` runs the named
 * ones. Each checks its results, prints a table and writes bench/results/NAME.json.
 */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { basename } from 'node:path';

const known = globSync('*.ts', { cwd: import.meta.dirname })
  .map((file) => basename(file, '.ts'))
  .filter((name) => !['run', 'harness', 'gpu-bench', 'training-product-worker'].includes(name))
  .sort();
const named = process.argv.slice(2);
const unknown = named.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  console.error(`There is no benchmark ${unknown.join(', ')}. There are: ${known.join(', ')}.`);
  process.exit(2);
}
for (const name of named.length > 0 ? named : known) {
  console.log(`\n${name}`);
  const { status } = spawnSync(process.execPath, [`${import.meta.dirname}/${name}.ts`], { stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}
