/** An exported map, read by a page from a web server: pixels, regions, and a mounted model through an overlay. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { editWeights, openMapModel, readWeights } from '../../src/index.ts';
import { createMapFile, openMap } from '../../src/map/node.ts';
import { patternBytes, temporaryFolder } from '../../src/map/testing.ts';
import { toPictures } from '../../src/pxi/testing.ts';
import { makeTinyModel, tinyGguf } from '../tiny-model.ts';
import { browserTests, inPage } from './chromium.ts';

const browserTest = browserTests();

browserTest(
  'A page reads an exported map: its pixels, its regions, and a model through an overlay',
  async ({ server, openPage }) => {
    using folder = temporaryFolder();
    const picture = (await toPictures(tinyGguf(makeTinyModel()))).get('model.pxi.png')!;
    writeFileSync(folder.file('model.pxi.png'), picture);
    createMapFile(folder.file('a.pxmap'), { tileSize: 16 });
    await using map = openMap(folder.file('a.pxmap'));
    await map.mount('model.pxi.png', { name: 'model' });
    const note = { x: -70, y: -9, width: 40, height: 30 };
    await map.write(note, patternBytes(40 * 30 * 4, 1), { region: { name: 'note', kind: 'note', metadata: {} } });
    const part = { tensor: 'blk.0.ffn_down.weight', rows: { start: 1, end: 4 }, columns: { start: 0, end: 20 } };
    await editWeights(map, { region: 'model', overlay: 'louder', ...part, change: { scale: 3 } });
    server.files.set('/map/model.pxi.png', picture);
    await map.export(async (file, bytes) => void server.files.set(`/map/${file}`, bytes));

    const area = { x: -75, y: -12, width: 150, height: 40 };
    const page = await openPage({});
    const found = await inPage(
      page,
      async (pixel, { url, area: wanted, part: asked }) => {
        const opened = await pixel.openHttpMap(url);
        const pixels = await opened.read(wanted, { overlays: ['louder'] });
        const weights: number[][] = [];
        for (const overlays of [[], ['louder']]) {
          const model = await pixel.openMapModel(opened, 'model', { overlays });
          weights.push([...(await pixel.readWeights(model, asked))]);
          await model.weights.dispose();
        }
        const regions = (await opened.find({ nearestTo: { x: -50, y: 0 } })).map(({ name }) => name);
        await opened.dispose();
        return { pixels: [...pixels], weights, regions };
      },
      { url: server.url('map/'), area, part },
    );
    assert.deepEqual(Uint8Array.from(found.pixels), new Uint8Array(await map.read(area, { overlays: ['louder'] })));
    assert.deepEqual(found.regions, ['note']);
    for (const [index, overlays] of [[], ['louder']].entries()) {
      const model = await openMapModel(map, 'model', { overlays });
      assert.deepEqual(found.weights[index], [...(await readWeights(model, part))]);
      await model.weights.dispose();
    }
    assert.notDeepEqual(found.weights[0], found.weights[1]);
  },
);
