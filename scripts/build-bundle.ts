/**
 * Bundles what pages load: `node scripts/build-bundle.ts` makes dist/bundle/ from the built dist/: the library as one module
 * (pixel-llm.js, for pages without a build), the worker with the engine (worker.js; workers know no import maps, so it must import nothing),
 * the kernels, and the licences of the packages inside; beside it, dist/models/ gets the model that ships. Each file is replaced at once: a page or test may be reading it.
 */
import { copyFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, type PluginBuild } from 'esbuild';

const distribution = join(import.meta.dirname, '..', 'packages', 'pixel-llm', 'dist');
const bundle = join(distribution, 'bundle');
mkdirSync(bundle, { recursive: true });

const { outputFiles, metafile } = await build({
  entryPoints: { 'pixel-llm': join(distribution, 'browser.js'), worker: join(distribution, 'browser/worker.js') },
  outdir: bundle,
  bundle: true,
  write: false,
  metafile: true,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  minify: true,
  legalComments: 'none',
  logLevel: 'warning',
  plugins: [{ name: 'beside', setup: layBeside }],
});
for (const { path, contents } of outputFiles) replace(path, contents);
for (const name of ['kernels-relaxed.wasm', 'kernels-plain.wasm', 'training-relaxed.wasm', 'training-plain.wasm']) {
  copyFileSync(join(distribution, 'backends/wasm', name), join(bundle, `${name}.new`));
  renameSync(join(bundle, `${name}.new`), join(bundle, name));
}
replace(join(bundle, 'LICENSES.txt'), licenses(Object.keys(metafile.inputs)));

// The model that ships lies beside the built files of the package.
mkdirSync(join(distribution, 'models'), { recursive: true });
replace(
  join(distribution, 'models/pixie.pxi.png'),
  readFileSync(join(import.meta.dirname, '..', 'models/pixie.pxi.png')),
);

/** In the bundle the other files lie beside the module, whatever its folder is called where it is served from. */
function layBeside(plugin: PluginBuild): void {
  plugin.onLoad({ filter: /core[\\/]asset-urls\.js$/ }, ({ path }) => ({
    contents: readFileSync(path, 'utf8').replaceAll("'../bundle/", "'./"),
  }));
}

function replace(path: string, contents: string | Uint8Array): void {
  writeFileSync(`${path}.new`, contents);
  renameSync(`${path}.new`, path);
}

/** The licence of each package that a bundled file comes from. */
function licenses(files: readonly string[]): string {
  const folders = new Set(files.flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file) ?? []));
  return [...folders]
    .sort()
    .map((folder) => {
      const facts: { name: string; version: string } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      return `${facts.name} ${facts.version}\n\n${readFileSync(join(folder, 'LICENSE'), 'utf8').trim()}\n`;
    })
    .join(`\n${'-'.repeat(80)}\n\n`);
}
