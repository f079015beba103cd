/**
 * A real browser for tests: Debian's chromium, found by PATH. Tests that need it are skipped without it and say so; where REQUIRE_BROWSER
 * is set (continuous integration), a skip is a failure.
 */
import assert from 'node:assert/strict';
import { accessSync, constants, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { FileServer } from '../file-server.ts';

const EXECUTABLE = findExecutable(['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome']);

const FLAGS = [
  '--no-sandbox',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-extensions',
  '--no-first-run',
  // Software adapters: right, and slow.
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
];

const BUNDLE = join(import.meta.dirname, '../../dist/bundle');

/** Under which a page may share memory between threads. */
const ISOLATION: Readonly<Record<string, string>> = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
};

const PAGE = `<!doctype html><title>test</title>
<script type="importmap">{ "imports": { "pixel-llm": "./bundle/pixel-llm.js" } }</script>
<script type="module">
  import * as pixel from 'pixel-llm';
  globalThis.pixel = pixel;
</script>`;

/** What tests of a file share: one browser with storage that lasts, and one server of pages and files. */
interface TestBrowser {
  readonly server: FileServer;
  /** A page with the library as `globalThis.pixel`, isolated unless said otherwise; or any other page, by its path or URL. */
  openPage(options?: { readonly isIsolated?: boolean; readonly path?: string }): Promise<Page>;
}

type TestBody = (browser: TestBrowser, context: TestContext) => Promise<void>;

/** Sets the browser up before the file's tests and away after them; gives how to define one. `missing`: what else it lacks here. */
export function browserTests(): (title: string, body: TestBody, missing?: string) => void {
  const reason = EXECUTABLE === undefined ? 'NOT CHECKED: there is no chromium on the PATH' : undefined;
  const folder = mkdtempSync(join(tmpdir(), 'pixel-llm-browser-'));
  let started: { readonly context: BrowserContext; readonly server: FileServer } | undefined;
  before(async () => {
    if (EXECUTABLE === undefined) return;
    const server = await FileServer.start();
    server.files.set('/', Buffer.from(PAGE));
    server.files.set('/page.html', Buffer.from(PAGE));
    for (const name of readdirSync(BUNDLE)) server.files.set(`/bundle/${name}`, readFileSync(join(BUNDLE, name)));
    const options = { executablePath: EXECUTABLE, headless: true, args: FLAGS };
    started = { server, context: await chromium.launchPersistentContext(folder, options) };
  });
  after(async () => {
    await started?.context.close();
    await started?.server.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  return (title, body, missing) => {
    if (reason !== undefined && process.env.REQUIRE_BROWSER) {
      void test(title, () => assert.fail(`${reason}, and REQUIRE_BROWSER is set`));
      return;
    }
    if (missing !== undefined && process.env.REQUIRE_GOLDENS) {
      void test(title, () => assert.fail(`${missing}, and REQUIRE_GOLDENS is set`));
      return;
    }
    const skip = reason ?? (missing === undefined ? false : `NOT CHECKED: ${missing}`);
    void test(title, { skip, timeout: 170_000 }, async (context) => {
      assert.ok(started);
      const { server, context: browser } = started;
      server.misbehave = () => undefined;
      server.requests.length = 0;
      const pages: Page[] = [];
      const openPage: TestBrowser['openPage'] = async ({ isIsolated = true, path = 'page.html' } = {}) => {
        server.headers = isIsolated ? ISOLATION : {};
        const page = await browser.newPage();
        pages.push(page);
        page.on('pageerror', (error) => context.diagnostic(`page error: ${error.message}`));
        await page.goto(/^http:/.test(path) ? path : server.url(path));
        if (path === 'page.html') await page.waitForFunction('globalThis.pixel');
        return page;
      };
      try {
        await body({ server, openPage }, context);
      } finally {
        for (const page of pages) await page.close();
      }
    });
  };
}

/** Runs a function of the test in the page, where `pixel` is the library. */
export function inPage<Argument, Result>(
  page: Page,
  body: (pixel: Pixel, argument: Argument) => Promise<Result>,
  argument: Argument,
): Promise<Result> {
  const call = `(argument) => (${body.toString()})(globalThis.pixel, argument)`;
  return page.evaluate(`(${call})(${JSON.stringify(argument)})`) as Promise<Result>;
}

export type Pixel = typeof import('../../src/browser.ts');

function findExecutable(names: readonly string[]): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
