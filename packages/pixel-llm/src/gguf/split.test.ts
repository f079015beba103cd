import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ByteSource, MemoryByteSource } from '../core/byte-source.ts';
import { PixelError } from '../core/errors.ts';
import type { MetadataValue } from './head.ts';
import { openGgufFile } from './node.ts';
import { openGgufModel, partNames } from './split.ts';
import { gguf, tensorOf } from './testing.ts';

/** A part as llama.cpp's splitter writes it; `changes` spoil it. */
function part(number: number, tensorName: string, changes: Record<string, MetadataValue> = {}): Uint8Array {
  const metadata: Record<string, MetadataValue> = {
    ...(number === 0 ? { 'general.architecture': { type: 'string', value: 'llama' } } : {}),
    'split.no': { type: 'uint16', value: number },
    'split.count': { type: 'uint16', value: 3 },
    'split.tensors.count': { type: 'int32', value: 3 },
    ...changes,
  };
  return gguf(metadata, [tensorOf(tensorName, 'F32', 8)]);
}

interface Shelf {
  open(name: string): Promise<ByteSource>;
  readonly opened: string[];
  readonly closed: string[];
}

function shelf(files: Record<string, Uint8Array>): Shelf {
  const opened: string[] = [];
  const closed: string[] = [];
  return {
    opened,
    closed,
    async open(name) {
      const bytes = files[name];
      if (!bytes) throw new PixelError('file-not-found', `${name} does not exist.`);
      opened.push(name);
      const source = new MemoryByteSource(bytes, name);
      source.dispose = async () => void closed.push(name);
      return source;
    },
  };
}

const names = ['d/m-00001-of-00003.gguf', 'd/m-00002-of-00003.gguf', 'd/m-00003-of-00003.gguf'] as const;
const whole = { [names[0]]: part(0, 'a'), [names[1]]: part(1, 'b'), [names[2]]: part(2, 'c') };

test('naming any file of a set opens them all as one model', async () => {
  for (const name of names) {
    const files = shelf(whole);
    const model = await openGgufModel(name, (part) => files.open(part));
    assert.deepEqual(files.opened, [...names]);
    assert.deepEqual(
      [...model.tensors].map(([tensor, { part }]) => [tensor, part]),
      [
        ['a', 0],
        ['b', 1],
        ['c', 2],
      ],
    );
    assert.deepEqual([...model.metadata.keys()], ['general.architecture']);
    await model.dispose();
    assert.deepEqual(files.closed, [...names]);
  }
});

test('missing files are named, and the others closed again', async () => {
  const files = shelf({ [names[1]]: whole[names[1]]! });
  await assert.rejects(
    openGgufModel(names[1], (part) => files.open(part)),
    { code: 'missing-part', message: /one of 3 files; missing: d\/m-00001-of-00003.gguf, d\/m-00003-of-00003.gguf\./ },
  );
  assert.deepEqual(files.closed, [names[1]]);
});

test('the search for missing files ends early when a name claims very many', async () => {
  const name = 'm-00001-of-99999.gguf';
  const files = shelf({ [name]: part(0, 'a') });
  let asked = 0;
  const open = (part: string): Promise<ByteSource> => {
    asked++;
    return files.open(part);
  };
  await assert.rejects(openGgufModel(name, open), { code: 'missing-part', message: /and perhaps more/ });
  assert.ok(asked < 100);
});

test('a model that does not exist at all is file-not-found', async () => {
  await assert.rejects(openGgufModel(names[0], shelf({}).open), { code: 'file-not-found' });
});

const uint16 = (value: number): MetadataValue => ({ type: 'uint16', value });
const contradictions: readonly (readonly [string, Record<string, MetadataValue>, string, RegExp])[] = [
  ['another count', { 'split.count': uint16(4) }, 'b', /says it is one of 4 files, but was opened as one of 3/],
  ['another number', { 'split.no': uint16(2) }, 'b', /says it is file 3 of its set, but its name says 2/],
  ['a tensor of another part', {}, 'a', /tensor "a" is in an earlier file/],
];
for (const [title, changes, tensor, message] of contradictions) {
  test(`a set whose second file has ${title} is refused`, async () => {
    const files = shelf({ ...whole, [names[1]]: part(1, tensor, changes) });
    await assert.rejects(openGgufModel(names[0], files.open), { code: 'bad-gguf', message });
    assert.equal(files.closed.length, 3);
  });
}

test('a set with fewer tensors than it says is refused', async () => {
  const files = shelf({ ...whole, [names[0]]: part(0, 'a', { 'split.tensors.count': { type: 'int32', value: 4 } }) });
  await assert.rejects(openGgufModel(names[0], files.open), { code: 'bad-gguf', message: /has 4 tensors.* hold 3/ });
});

test('one file of a set under another name is refused with advice; a merged set (count 0) is not', async () => {
  const alone = shelf({ 'm.gguf': part(0, 'a') });
  await assert.rejects(openGgufModel('m.gguf', alone.open), { code: 'missing-part', message: /keep the .* name/ });
  const merged = shelf({
    'm.gguf': gguf({ 'split.count': uint16(0), 'split.no': uint16(0) }, [tensorOf('a', 'F32', 8)]),
  });
  const model = await openGgufModel('m.gguf', merged.open);
  assert.equal(model.parts.length, 1);
  await model.dispose();
});

test('names of sets are told from other names', () => {
  assert.equal(partNames('m.gguf'), undefined);
  assert.equal(partNames('m-00000-of-00002.gguf'), undefined);
  assert.equal(partNames('m-00003-of-00002.gguf'), undefined);
  assert.deepEqual(partNames('https://h/m-00002-of-00002.gguf?x=1'), [
    'https://h/m-00001-of-00002.gguf?x=1',
    'https://h/m-00002-of-00002.gguf?x=1',
  ]);
});

test('a file opens by its path', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'gguf-'));
  try {
    const path = join(folder, 'm.gguf');
    await writeFile(path, gguf({}, [tensorOf('a', 'F32', 8)]));
    const model = await openGgufFile(path);
    assert.equal(model.name, path);
    assert.ok(model.tensors.has('a'));
    await model.dispose();
    await assert.rejects(openGgufFile(join(folder, 'none.gguf')), { code: 'file-not-found' });
  } finally {
    await rm(folder, { recursive: true });
  }
});
