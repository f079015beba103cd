import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { isPixelError } from '../core/errors.ts';
import { openSource } from './node.ts';
import { isFirstOfSet, pictureNames, siblingNames } from './set-names.ts';

describe('The names of a set', () => {
  test('are made from the name asked for, and found again from any of them', () => {
    const names = ['a/m-00001-of-00002.pxi.png', 'a/m-00002-of-00002.pxi.png'];
    assert.deepEqual(pictureNames('a/m.pxi.png', 2), names);
    assert.deepEqual(siblingNames('a/m-00002-of-00002.pxi.png', 2), names);
    assert.deepEqual(pictureNames('a/m.pxi.png', 1), ['a/m.pxi.png']);
    assert.equal(siblingNames('a/m-00002-of-00002.pxi.png', 3), undefined);
  });

  test('tell the first file of a set that was asked for by its plain name', () => {
    assert.ok(isFirstOfSet('m-00001-of-00002.pxi.png', 'm.pxi.png'));
    assert.ok(isFirstOfSet('m-00001-of-00012.gguf', 'm.gguf'));
    const others = [
      'm-00002-of-00002.pxi.png',
      'mm-00001-of-00002.pxi.png',
      'm-00001-of-00002.gguf',
      'm-00001-of-x.pxi.png',
    ];
    for (const other of others) assert.ok(!isFirstOfSet(other, 'm.pxi.png'), other);
  });

  test('let a model of several files be opened by its plain name, unless there are two such sets', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pixel-llm-set-'));
    try {
      await writeFile(join(folder, 'm-00001-of-00002.pxi.png'), 'first');
      const source = await openSource(join(folder, 'm.pxi.png'));
      assert.equal(source.name, join(folder, 'm-00001-of-00002.pxi.png'));
      await source.dispose();
      await writeFile(join(folder, 'm-00001-of-00003.pxi.png'), 'another');
      await assert.rejects(openSource(join(folder, 'm.pxi.png')), (error) => isPixelError(error, 'file-not-found'));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
