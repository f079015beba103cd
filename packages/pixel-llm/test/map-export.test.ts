/** A map that was exported is read from a web server as it was, mounted model and overlays included. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { isPixelError } from '../src/core/errors.ts';
import { editWeights } from '../src/map/edit-weights.ts';
import { openHttpMap } from '../src/map/http-tile-store.ts';
import { openMapModel } from '../src/map/map-weights.ts';
import { createMapFile, openMap } from '../src/map/node.ts';
import { patternBytes, temporaryFolder } from '../src/map/testing.ts';
import { readRows } from '../src/pxi/read-rows.ts';
import { runCommand } from './command-line.ts';
import { FileServer } from './file-server.ts';

const PIXIE = join(import.meta.dirname, '../../../models/pixie.pxi.png');

test('An exported map is the same map, over HTTP', async (context) => {
  using folder = temporaryFolder();
  mkdirSync(folder.file('models'));
  copyFileSync(PIXIE, folder.file('models/pixie.pxi.png'));
  createMapFile(folder.file('plane.pxmap'));
  const map = openMap(folder.file('plane.pxmap'));
  await map.mount('models/pixie.pxi.png');
  const tensor = 'blk.1.ffn_up.weight';
  await editWeights(map, {
    region: 'pixie',
    overlay: 'odd',
    tensor,
    rows: { start: 3, end: 9 },
    change: { add: 0.25 },
  });
  const note = { x: -700, y: -90, width: 300, height: 130 };
  await map.write(note, patternBytes(300 * 130 * 4, 4), {
    region: { name: 'note', kind: 'note', metadata: { by: 'me' } },
  });
  const { code, stderr } = await runCommand(['map', 'export', 'plane.pxmap', 'site'], { cwd: folder.path });
  assert.equal(code, 0, stderr);

  const site = readdirSync(folder.file('site'), { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const names = site.map(({ parentPath, name }) => relative(folder.file('site'), join(parentPath, name)));
  const server = await FileServer.start(names.map((name) => [name, readFileSync(join(folder.file('site'), name))]));
  context.after(() => server.close());
  const url = server.url('');
  await using remote = await openHttpMap(url);
  assert.deepEqual(await remote.verify(), []);
  assert.deepEqual((await remote.find({ name: 'note' }))[0]?.metadata, { by: 'me' });
  const area = { x: -710, y: -100, width: 900, height: 200 };
  for (const overlays of [[], ['odd']]) {
    assert.deepEqual(await remote.read(area, { overlays }), await map.read(area, { overlays }));
    const [here, there] = [
      await openMapModel(map, 'pixie', { overlays }),
      await openMapModel(remote, 'pixie', { overlays }),
    ];
    const rows = { start: 0, end: 20 };
    assert.deepEqual(await readRows(there.weights, tensor, rows), await readRows(here.weights, tensor, rows));
    for (const { weights } of [here, there]) await weights.dispose();
  }
  await assert.rejects(remote.write(note, patternBytes(300 * 130 * 4, 5)), (error) => isPixelError(error, 'read-only'));

  const bytes = server.files.get('/tiles-00000.bin')!.slice();
  bytes[1000] = bytes[1000]! ^ 1;
  server.files.set('/tiles-00000.bin', bytes);
  await using damaged = await openHttpMap(url);
  assert.equal((await damaged.verify()).length, 1);
  const json = new TextDecoder().decode(server.files.get('/map.json'));
  for (const wrong of [
    json.replace('"version":1', '"version":2'),
    json.slice(0, 100),
    json.replace('"tileSize":64', '"tileSize":-1'),
  ]) {
    server.files.set('/map.json', new TextEncoder().encode(wrong));
    await assert.rejects(openHttpMap(url), (error) => isPixelError(error, 'bad-map'));
  }
  await map.dispose();
});
