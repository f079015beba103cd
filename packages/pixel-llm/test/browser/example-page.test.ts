/** The example page as a person uses it: by what its controls are called, from the server that `npm run example:browser` starts. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { createExampleServer } from '../../../../examples/browser/serve.ts';
import { toPictures } from '../../src/pxi/testing.ts';
import { makeTinyModel, tinyGguf } from '../tiny-model.ts';
import { browserTests } from './chromium.ts';

const browserTest = browserTests();
const folder = mkdtempSync(join(tmpdir(), 'pixel-llm-example-'));
let server: Server;
let address = '';
before(async () => {
  const gguf = tinyGguf(makeTinyModel({ contextLength: 2048 }));
  writeFileSync(join(folder, 'tiny.gguf'), gguf);
  writeFileSync(join(folder, 'tiny.pxi.png'), (await toPictures(gguf)).get('model.pxi.png') ?? gguf);
  writeFileSync(join(folder, 'broken.pxi.png'), 'not a picture at all, only some text');
  server = createExampleServer(folder);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  address = `http://localhost:${(server.address() as AddressInfo).port}/`;
});
after(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

browserTest(
  'The example page loads a model by its address, shows it, writes, stops, and forgets it',
  async ({ openPage }) => {
    const page = await openPage({ path: `${address}?model=models/tiny.pxi.png` });
    const write = page.getByRole('button', { name: 'Write' });
    assert.ok(await write.isDisabled());
    await page.getByRole('button', { name: 'Load', exact: true }).click();
    await page.getByRole('img', { name: /image: \d+ by \d+ pixels/ }).waitFor();
    await page.getByText('Ready.').waitFor();
    assert.match(await page.locator('#facts').innerText(), /tiny[\s\S]*llama[\s\S]*2048 tokens[\s\S]*cpu/);
    await page.getByLabel('Tokens').fill('1500');
    await page.getByLabel('Temperature').fill('1.5');
    // A small model may come to an end of its own before a click from outside arrives: so the page clicks, once, when it shows the first words.
    await page.evaluate(() => {
      const stop = document.getElementById('stop') as HTMLButtonElement;
      const watch = setInterval(() => {
        if (stop.disabled || !document.getElementById('speed')?.textContent.includes('tokens/s')) return;
        clearInterval(watch);
        stop.click();
      }, 1);
    });
    const stopped = page.getByText(/^Stopped\. \d+ tokens/);
    const ended = page.getByText(/tokens read in \d+ ms; \d+ written/);
    // The first words may have been the last, too: then it writes again.
    for (let attempt = 0; attempt < 8 && !(await stopped.isVisible()); attempt++) {
      await write.click();
      await stopped.or(ended).waitFor();
    }
    await stopped.waitFor();
    await page.getByLabel('Tokens').fill('5');
    await write.click();
    await page.getByText(/tokens read in \d+ ms; \d written/).waitFor();
    assert.match(await page.getByLabel('What the model writes').innerText(), /^Once upon a time./);
    await page.getByText('Kept in this browser').click();
    await page.getByRole('button', { name: 'Remove tiny.pxi.png' }).click();
    await page.getByText('Kept in this browser').waitFor({ state: 'hidden' });
  },
);

browserTest('The example page takes files, and says what is wrong with an address', async ({ openPage }) => {
  const page = await openPage({ path: address });
  await page.getByRole('button', { name: 'Load', exact: true }).click();
  await page.getByText(/^Give the address/).waitFor();
  await page.getByLabel('Address of a model').fill('models/broken.pxi.png');
  await page.getByRole('button', { name: 'Load', exact: true }).click();
  await page.getByText(/broken\.pxi\.png is no model.*this is text/).waitFor();
  await page.getByLabel('Choose files').setInputFiles(join(folder, 'tiny.gguf'));
  await page.getByText('Ready.').waitFor();
  assert.match(await page.locator('#facts').innerText(), /tiny/);
});

browserTest('The example page fits a phone, and names all its controls', async ({ openPage }) => {
  const page = await openPage({ path: address });
  for (const width of [320, 390, 1280]) {
    await page.setViewportSize({ width, height: 800 });
    const overflow = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
    assert.equal(overflow, 0, `at ${width} pixels`);
  }
  const unnamed = await page.evaluate(`[...document.querySelectorAll('input, select, textarea, button, progress')]
    .filter((control) => !control.labels?.length && !control.textContent.trim() && !control.ariaLabel)
    .map(({ id }) => id)`);
  assert.deepEqual(unnamed, []);
});
