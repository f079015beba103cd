/**
 * Builds the WebAssembly kernels: `node scripts/build-wasm.ts` compiles backends/wasm/assembly twice, with relaxed SIMD and without
 * it, and lays both beside the TypeScript that loads them, in src/ (what tests and benchmarks run) and, once it is there, in dist/.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const packageFolder = join(import.meta.dirname, '..', 'packages', 'pixel-llm');
const folder = join('backends', 'wasm');
const source = join(packageFolder, 'src', folder);
const compiler = join(dirname(createRequire(import.meta.url).resolve('assemblyscript/package.json')), 'bin', 'asc.js');

for (const [name, ...features] of [['relaxed', '--enable', 'relaxed-simd'], ['plain']]) {
  const file = `kernels-${name}.wasm`;
  const settings = [
    '-O3',
    '--runtime',
    'stub',
    '--noAssert',
    '--importMemory',
    '--memoryBase',
    '64',
    '--enable',
    'simd',
    ...features,
  ];
  const entry = join(source, 'assembly', 'kernels.ts');
  execFileSync(process.execPath, [compiler, entry, '-o', join(source, file), ...settings], { stdio: 'inherit' });
  const built = join(packageFolder, 'dist');
  if (!existsSync(built)) continue;
  mkdirSync(join(built, folder), { recursive: true });
  copyFileSync(join(source, file), join(built, folder, file));
}
