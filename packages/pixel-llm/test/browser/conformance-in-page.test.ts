/** The conformance table in a real browser: the device `cpu` by both builds of its kernels and with threads, and `gpu` through navigator.gpu. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { build } from 'esbuild';
import { browserTests } from './chromium.ts';
import type { Difference, Variant } from './conformance-page.ts';

const browserTest = browserTests();

/** Sums in f32, relative; types without a kernel of `cpu` are widened to f16 there: half a unit in the last place of eleven bits. */
const TOLERANCES: Readonly<Record<Variant, { sums: number; widened: number }>> = {
  relaxed: { sums: 2e-6, widened: 2 ** -11 },
  plain: { sums: 2e-6, widened: 2 ** -11 },
  threads: { sums: 2e-6, widened: 2 ** -11 },
  swiftshader: { sums: 3e-6, widened: 3e-6 },
};
const WIDENED = ['Q2_K', 'IQ4_NL', 'IQ4_XS'];

for (const variant of ['relaxed', 'plain', 'threads', 'swiftshader'] as const) {
  const device = variant === 'swiftshader' ? 'gpu' : 'cpu';
  browserTest(`In a page ${device} (${variant}) computes ops as their formulas say`, async ({ server, openPage }) => {
    server.files.set(
      '/conformance.html',
      Buffer.from('<!doctype html><script type="module" src="conformance.js"></script>'),
    );
    server.files.set('/conformance.js', await bundled());
    const page = await openPage({ path: 'conformance.html', isIsolated: variant === 'threads' });
    await page.waitForFunction('globalThis.conformance');
    const found = (await page.evaluate(`conformance('${variant}')`)) as Difference[];
    const isSample = variant === 'threads' || variant === 'swiftshader';
    assert.ok(found.length > (isSample ? 30 : 250), `${found.length} cases`);
    assert.ok(new Set(found.map(({ op }) => op)).size >= 12, 'nearly every op is among them');
    const { sums, widened } = TOLERANCES[variant];
    for (const { title, type, difference } of found) {
      const tolerance = WIDENED.includes(type) ? widened : sums;
      assert.ok(difference <= tolerance, `${title}: relative difference ${difference}`);
    }
  });
}

async function bundled(): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, 'conformance-page.ts')],
    alias: { 'node:assert/strict': join(import.meta.dirname, 'assert-in-page.ts') },
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
  });
  const [file] = outputFiles;
  assert.ok(file);
  return file.contents;
}
