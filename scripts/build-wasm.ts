/**
 * Builds the WebAssembly kernels: `node scripts/build-wasm.ts` compiles two modules of backends/wasm/assembly (what runs models, what
 * trains them) twice, with relaxed SIMD and without it, and lays them beside the TypeScript that loads them, in src/ (what tests and benchmarks run) and, once it is there, in dist/.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const packageFolder = join(import.meta.dirname, '..', 'packages', 'pixel-llm');
const folder = join('backends', 'wasm');
const source = join(packageFolder, 'src', folder);
const compiler = join(dirname(createRequire(import.meta.url).resolve('assemblyscript/package.json')), 'bin', 'asc.js');

const BUILDS = { relaxed: ['--enable', 'relaxed-simd'], plain: [] };
const modules = ['kernels', 'training'].flatMap((set) =>
  Object.entries(BUILDS).map(([name, features]) => ({ set, file: `${set}-${name}.wasm`, features })),
);

for (const { set, file, features } of modules) {
  const settings = [
    '-O3',
    '--runtime',
    'stub',
    '--noAssert',
    '--importMemory',
    '--memoryBase',
    '256',
    '--enable',
    'simd',
    ...features,
  ];
  const entry = join(source, 'assembly', `${set}.ts`);
  execFileSync(process.execPath, [compiler, entry, '-o', join(source, file), ...settings], { stdio: 'inherit' });
  refuseStaticData(join(source, file));
  const built = join(packageFolder, 'dist');
  if (!existsSync(built)) continue;
  mkdirSync(join(built, folder), { recursive: true });
  copyFileSync(join(source, file), join(built, folder, file));
}

/**
 * The kernels' memory belongs to who calls them, from byte 1024 on (KERNEL_SCRATCH in kernel-module.ts): a constant that the compiler laid
 * there (tables of a library's mathematics, strings) would be overwritten by weights.
 */
function refuseStaticData(file: string): void {
  const memory = new WebAssembly.Memory({ initial: 16 });
  new WebAssembly.Instance(new WebAssembly.Module(readFileSync(file)), { env: { memory } });
  if (new Uint8Array(memory.buffer, 1024).every((byte) => byte === 0)) return;
  throw new Error(`${file} has static data beyond byte 1024: a kernel uses a large table, or a string.`);
}
