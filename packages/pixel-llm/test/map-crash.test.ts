/** A writer is killed at any moment, again and again, and several write at once: what was committed is there, whole, and nothing else is. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { choiceSource } from '../src/core/random.ts';
import { createMapFile, openMap } from '../src/map/node.ts';
import { temporaryFolder } from '../src/map/testing.ts';
import { ownPixels, ownPlace, SHARED } from './map-writes.ts';

const WRITER = join(import.meta.dirname, 'map-writer.ts');
const KILLS = process.env.PIXEL_FULL ? 500 : 12;

interface Writer {
  /** Numbers it said are committed. */
  readonly said: number[];
  readonly ended: Promise<{ code: number | null; stderr: string }>;
  kill(): void;
}

function startWriter(path: string, id: number, count: number): Writer {
  const child = spawn(
    process.execPath,
    ['--conditions=pixel-llm-source', '--disable-warning=ExperimentalWarning', WRITER, path, String(id), String(count)],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const said: number[] = [];
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (stdout + text).split('\n');
    stdout = lines.pop() ?? '';
    said.push(...lines.map(Number));
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<{ code: number | null; stderr: string }>((resolve) => {
    child.on('close', (code) => resolve({ code, stderr }));
  });
  return { said, ended, kill: () => child.kill('SIGKILL') };
}

describe('A map', () => {
  test(`holds all committed writes whole, and none of the others, after each of ${KILLS} kills`, async () => {
    using folder = temporaryFolder();
    const path = folder.file('a.pxmap');
    createMapFile(path, { tileSize: 16 });
    const below = choiceSource(7, 0);
    let commits = 0;
    for (let id = 0; id < KILLS; id++) {
      const writer = startWriter(path, id, 1_000_000);
      while (writer.said.length === 0) await sleep(2);
      await sleep(below(60));
      writer.kill();
      await writer.ended;
      await using map = openMap(path);
      const regions = (await map.regions()).filter(({ name }) => name.startsWith(`${id}/`));
      const numbers = regions.map(({ metadata }) => Number(metadata.number)).sort((a, b) => a - b);
      // Its last write may be committed without having been said.
      assert.deepEqual(numbers, [...numbers.keys()]);
      assert.ok(numbers.length >= writer.said.length, `${writer.said.length} were said, ${numbers.length} are there`);
      for (const number of numbers) {
        const place = ownPlace(id, number);
        assert.deepEqual(await map.read(place), ownPixels(place, id, number));
      }
      const next = await map.read(ownPlace(id, numbers.length));
      assert.ok(
        next.every((byte) => byte === 0),
        'a write without its region is there',
      );
      const shared = await map.read(SHARED);
      assert.ok(
        shared.every((byte, at) => byte === shared[at & 3]),
        'the shared place is torn',
      );
      commits += numbers.length;
    }
    await using map = openMap(path);
    assert.deepEqual(await map.verify(), []);
    assert.ok(commits > KILLS);
  });

  test('written and read by four processes at once loses nothing, tears nothing, and no lock is an error', async () => {
    using folder = temporaryFolder();
    const path = folder.file('a.pxmap');
    createMapFile(path, { tileSize: 16 });
    const count = process.env.PIXEL_FULL ? 500 : 40;
    const writers = [0, 1, 2, 3].map((id) => startWriter(path, id, count));
    for (const writer of writers) {
      const { code, stderr } = await writer.ended;
      assert.equal(code, 0, stderr);
      assert.equal(writer.said.length, count);
    }
    await using map = openMap(path);
    for (let id = 0; id < 4; id++) {
      for (let number = 0; number < count; number++) {
        const place = ownPlace(id, number);
        assert.deepEqual(await map.read(place), ownPixels(place, id, number));
      }
    }
    assert.equal((await map.regions()).length, 4 * count);
    assert.deepEqual(await map.verify(), []);
  });
});
