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
  const settings = ['-O3', '--runtime', 'stub', '--noAssert', '--importMemory', '--enable', 'simd', ...features];
  const entry = join(source, 'assembly', `${set}.ts`);
  execFileSync(process.execPath, [compiler, entry, '-o', join(source, file), ...settings], { stdio: 'inherit' });
  refuseStaticData(join(source, file));
  const built = join(packageFolder, 'dist');
  if (!existsSync(built)) continue;
  mkdirSync(join(built, folder), { recursive: true });
  copyFileSync(join(source, file), join(built, folder, file));
}

/**
 * The kernels' memory belongs to who calls them, from the first bytes on: a constant that the compiler lays into memory (tables of a library's
 * mathematics, strings) would be overwritten by weights.
 */
function refuseStaticData(file: string): void {
  const DATA_SECTION = 11;
  const bytes = readFileSync(file);
  for (let at = 8; at < bytes.length; ) {
    const section = bytes[at++];
    let size = 0;
    for (let shift = 0, more = true; more; shift += 7) {
      const byte = bytes[at++] ?? 0;
      size += (byte & 0x7f) * 2 ** shift;
      more = byte >= 0x80;
    }
    if (section === DATA_SECTION) throw new Error(`${file} has static data: a kernel uses a table or a string.`);
    at += size;
  }
}
