/**
 * An application that was put together by a bundler imports the published package and loads a model from a server of another origin, which
 * allows it: by ranges, and kept. Two kinds of bundlers: one that leaves `new URL(..., import.meta.url)` alone (esbuild), and one that takes such
 * files along under names of its own, as Vite and webpack do.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { build, type PluginBuild } from 'esbuild';
import { loadModel } from '../../src/node.ts';
import { toPictures } from '../../src/pxi/testing.ts';
import { FileServer } from '../file-server.ts';
import { makeTinyModel, tinyGguf, tinyWeights } from '../tiny-model.ts';
import { browserTests } from './chromium.ts';

const browserTest = browserTests();
const model = makeTinyModel();
const OPTIONS = { maxTokens: 12, temperature: 0, ignoreEndOfText: true };

const APPLICATION = `import { isPixelError, loadModel } from 'pixel-llm';
globalThis.write = async (url, options, settings) => {
  try {
    await using model = await loadModel(url, options);
    return (await model.createSession().generate('the robot', settings).complete()).text;
  } catch (error) {
    return isPixelError(error) ? error.code : String(error);
  }
};`;

/** The files of an application, by name. `takesAssets`: with what literal \`new URL\`s name, under hashed names. */
async function bundled(takesAssets: boolean): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  const takeAlong = (plugin: PluginBuild): void => {
    plugin.onLoad({ filter: /pixel-llm[\\/]dist[\\/].*\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replaceAll(/new URL\('([^']+)', import\.meta\.url\)/g, (_, to: string) => {
        const bytes = readFileSync(join(dirname(path), to));
        const name = `assets/${createHash('sha256').update(bytes).digest('hex').slice(0, 8)}-${basename(to)}`;
        files.set(name, bytes);
        return `new URL('./${name}', import.meta.url)`;
      }),
    }));
  };
  const { outputFiles } = await build({
    stdin: { contents: APPLICATION, resolveDir: import.meta.dirname },
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    plugins: takesAssets ? [{ name: 'take assets along', setup: takeAlong }] : [],
  });
  const [application] = outputFiles;
  assert.ok(application);
  files.set('application.js', application.contents);
  files.set('application.html', Buffer.from('<!doctype html><script type="module" src="application.js"></script>'));
  return files;
}

for (const takesAssets of [false, true]) {
  const what = takesAssets ? 'takes worker and kernels along' : 'leaves worker and kernels where they are';
  browserTest(
    `A bundler that ${what} makes a page that runs a model of another origin`,
    async ({ server, openPage }) => {
      for (const [name, bytes] of await bundled(takesAssets)) server.files.set(`/app/${name}`, bytes);
      await using models = await startModels();
      const page = await openPage({ path: 'app/application.html' });
      await page.waitForFunction('globalThis.write');
      const write = (url: string, options: object): Promise<unknown> => {
        const given = { threads: 2, ...(takesAssets ? {} : { assets: '/bundle/' }), ...options };
        return page.evaluate(`write(${[url, given, OPTIONS].map((one) => JSON.stringify(one)).join()})`);
      };
      const { origin } = new URL(server.url(''));
      const allowed = { 'access-control-allow-origin': origin, 'access-control-expose-headers': 'content-range, etag' };
      await using same = await loadModel(tinyWeights(model), { device: 'cpu', threads: 1 });
      const { text } = await same.createSession().generate('the robot', OPTIONS).complete();

      models.server.headers = allowed;
      assert.equal(await write(models.url, { keep: false }), text);
      const ranges = models.server.requests.filter(({ start }) => start !== undefined);
      assert.ok(ranges.length > 1 && ranges.length === models.server.requests.length, 'every request was for a range');
      const { length } = models.server.requests;
      assert.equal(await write(models.url, {}), text);
      assert.ok(models.server.requests.length > length);
      const kept = models.server.requests.length;
      assert.equal(await write(models.url, {}), text);
      assert.equal(models.server.requests.length, kept, 'what is kept is not asked for again');

      const engine = server.requests.filter(({ path }) => path.endsWith('worker.js')).map(({ path }) => path);
      assert.ok(engine.length > 0);
      const folder = takesAssets ? '/app/assets/' : '/bundle/';
      assert.ok(
        engine.every((path) => path.startsWith(folder)),
        `${engine}`,
      );
      // A server that does not allow the page, or hides where its bytes belong, is told by name.
      models.server.headers = {};
      assert.equal(await write(`${models.url}?2`, { keep: false }), 'http');
      models.server.headers = { 'access-control-allow-origin': origin };
      assert.equal(await write(`${models.url}?3`, { keep: false }), 'http');
    },
  );
}

/** A server of its own, on another port: another origin. */
async function startModels(): Promise<{ server: FileServer; url: string } & AsyncDisposable> {
  const picture = (await toPictures(tinyGguf(model))).get('model.pxi.png');
  assert.ok(picture);
  const server = await FileServer.start([['model.pxi.png', picture]]);
  return { server, url: server.url('model.pxi.png'), [Symbol.asyncDispose]: () => server.close() };
}
