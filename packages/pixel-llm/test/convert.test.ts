import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { MemoryByteSource } from '../src/core/byte-source.ts';
import { isPixelError } from '../src/core/errors.ts';
import { openFileByteSink } from '../src/core/node.ts';
import { rowsOf } from '../src/gguf/head.ts';
import { quantize } from '../src/gguf/quantize.ts';
import { readGgufHead } from '../src/gguf/reader.ts';
import { unknownTensorType } from '../src/gguf/tensor-types.ts';
import { gguf, noise, tensorOf, typeNamed } from '../src/gguf/testing.ts';
import { encodePng, rasterOf } from '../src/png/testing.ts';
import { convertToPictures } from '../src/pxi/convert/convert-to-picture.ts';
import { requantizeContent } from '../src/pxi/convert/requantized-content.ts';
import { createWorkerHasher, openContentFile, openWeightsFile } from '../src/pxi/node.ts';
import { openContent } from '../src/pxi/open-weights.ts';
import { readBlocks } from '../src/pxi/read-blocks.ts';
import { readRows } from '../src/pxi/read-rows.ts';
import {
  everyType,
  ggufOf,
  oddGguf,
  openPictureWeights,
  openSet,
  picturesOf,
  smallModel,
  toGguf,
  toPictures,
} from '../src/pxi/testing.ts';
import { runCommand } from './command-line.ts';
import { golden, goldenTest } from './goldens.ts';

const folder = mkdtempSync(join(tmpdir(), 'pixel-llm-convert-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Bytes are compared by digest: a difference would be printed whole. */
function assertSame(found: Uint8Array, expected: Uint8Array): void {
  assert.equal(found.length, expected.length);
  const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
  assert.equal(digest(found), digest(expected));
}

const unknown = { name: 'blk.1.strange', type: unknownTensorType(77), dimensions: [3, 5], byteLength: 64_032 };

const ODD_FILES: readonly (readonly [what: string, file: Uint8Array<ArrayBuffer>])[] = [
  ['of the writer', gguf({}, smallModel())],
  ['of version 1', oddGguf(smallModel(), { version: 1 })],
  ['of version 2', oddGguf(smallModel(), { version: 2 })],
  ['with padding that is not zero', oddGguf(smallModel(), { padding: 0xaa })],
  ['with gaps between tensors', oddGguf(smallModel(), { gap: 96, padding: 1 })],
  ['with gaps of zeros', oddGguf(smallModel(), { gap: 4096 })],
  ['with a long tail', oddGguf(smallModel(), { tail: noise(300_000) })],
  ['with a tail of zeros', oddGguf(smallModel(), { tail: new Uint8Array(5000) })],
  ['cut after its last weight', oddGguf([tensorOf('a.weight', 'F32', 33, 2)]).subarray(0, -24)],
  ['with a tensor of an unknown type', oddGguf([...smallModel(), unknown])],
  ['with every type', oddGguf(everyType())],
  ['without tensors', oddGguf([], { tail: Uint8Array.of(1, 2, 3) })],
  ['with tensors without weights', oddGguf([tensorOf('none', 'F32', 0), tensorOf('b.weight', 'F16', 8, 0)])],
  ['with scalars and four dimensions', oddGguf([tensorOf('s', 'F32'), tensorOf('e.weight', 'Q8_0', 32, 3, 4, 5)])],
  ['with rows larger than a piece', oddGguf([tensorOf('wide.weight', 'F32', 700_000, 2)])],
];

for (const [what, file] of ODD_FILES) {
  test(`a GGUF file ${what} comes back from its picture byte for byte`, async () => {
    const files = await toPictures(file);
    assert.equal(files.size, 1);
    assertSame(await toGguf(files), file);
  });
}

test('a GGUF file of any form comes back from many small pictures, whichever of them is named', async () => {
  for (const [what, file] of ODD_FILES.slice(0, -1)) {
    const shardSize = what === 'with every type' ? 400_000 : 100_000;
    const files = await toPictures(file, { shardSize });
    const names = [...files.keys()];
    if (file.length > 250_000) assert.ok(names.length > 2, `${what}: ${names.length}`);
    for (const png of files.values()) assert.ok(png.length <= shardSize, `${what}: ${png.length}`);
    assertSame(await toGguf(files, names.at(-1)), file);
  }
});

test('a tensor larger than a picture is split at 128 rows, and its planes read across the parts', async () => {
  const file = gguf({}, [tensorOf('token_embd.weight', 'Q8_0', 256, 1000)]);
  const files = await toPictures(file, { shardSize: 100_000 });
  const [tensor] = (await openSet(files)).model.tensors;
  assert.ok(tensor && tensor.parts.length > 2);
  assert.ok(tensor.parts.every(({ rowStart }) => rowStart % 128 === 0));
  const weights = await openPictureWeights(files);
  const blocks = await readBlocks(weights, 'token_embd.weight', { start: 100, end: 900 });
  assertSame(blocks, file.subarray(tensor.offset + 100 * 272, tensor.offset + 900 * 272));
});

test('a layer that fits a picture is never split over two', async () => {
  const files = await toPictures(gguf({}, smallModel()), { shardSize: 150_000 });
  const { model } = await openSet(files);
  for (const { id, lines } of model.layers) assert.equal(lines.length, 1, id);
  assert.ok(files.size > 1);
});

test('the same conversion gives the same pictures', async () => {
  const file = gguf({}, smallModel());
  const [one, two] = [await toPictures(file, { shardSize: 150_000 }), await toPictures(file, { shardSize: 150_000 })];
  for (const [name, png] of one) assertSame(two.get(name) ?? new Uint8Array(0), png);
});

test('a picture compressed by another program reads the same', async () => {
  const file = oddGguf(smallModel(), { padding: 3 });
  const files = await toPictures(file, { shardSize: 150_000 });
  for (const [name, png] of files) {
    files.set(name, encodePng(rasterOf(png), { filter: (line) => line % 5, interlaced: name.includes('00002') }));
  }
  assert.equal((await openSet(files)).pictures[0]?.access, 'decoded');
  assertSame(await toGguf(files), file);
});

test('planes of any rows are the same from GGUF and from pictures', async () => {
  const file = gguf({}, everyType());
  const fromGguf = await openPictureWeights(new Map([['model.gguf', file]]));
  const fromPictures = await openPictureWeights(await toPictures(file, { shardSize: 1_000_000 }));
  assert.deepEqual([...fromPictures.head.metadata], [...fromGguf.head.metadata]);
  assert.deepEqual([...fromPictures.head.tensors.keys()], [...fromGguf.head.tensors.keys()]);
  for (const { name, type } of fromGguf.head.tensors.values()) {
    for (const field of type.fields) {
      for (const [start, end] of [
        [0, 300],
        [127, 129],
        [299, 300],
        [5, 5],
      ] as const) {
        const length = ((end - start) * 256 * field.bytes) / type.blockElements;
        const [a, b] = [new Uint8Array(length), new Uint8Array(length)];
        await fromGguf.readPlane(name, field.name, { start, end }, a);
        await fromPictures.readPlane(name, field.name, { start, end }, b);
        assert.deepEqual(b, a);
      }
    }
  }
});

test('pictures on a web server open by the URL of any of them; a missing one is named', async () => {
  const files = await toPictures(gguf({}, smallModel()), { shardSize: 100_000 });
  const [, second = '', third = ''] = files.keys();
  const server = createServer((request, response) => {
    const bytes = files.get(request.url?.slice(1) ?? '');
    const [start = 0, end = 0] = (request.headers.range ?? '').match(/\d+/g)?.map(Number) ?? [];
    if (!bytes) return response.writeHead(404).end();
    return response
      .writeHead(206, { 'content-range': `bytes ${start}-${end}/${bytes.length}` })
      .end(bytes.subarray(start, end + 1));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/${third}`;
    const rows = { start: 3, end: 77 };
    const local = await openPictureWeights(files);
    const remote = await openWeightsFile(url);
    assert.deepEqual(
      await readBlocks(remote, 'blk.1.attn_q.weight', rows),
      await readBlocks(local, 'blk.1.attn_q.weight', rows),
    );
    files.delete(second);
    await assert.rejects(
      openWeightsFile(url),
      (error) => isPixelError(error, 'missing-part') && error.message.includes(second),
    );
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('a stopped conversion leaves neither pictures nor temporary files', async () => {
  writeFileSync(join(folder, 'stop.gguf'), gguf({}, smallModel()));
  const content = await openContentFile(join(folder, 'stop.gguf'));
  const stop = new AbortController();
  const out = mkdtempSync(join(folder, 'stopped-'));
  const work = convertToPictures(content, (index) => openFileByteSink(join(out, `${index}.png`)), {
    shardSize: 150_000,
    signal: stop.signal,
    onProgress: ({ done, total = 0 }) => {
      if (done > total / 2) stop.abort();
    },
  });
  await assert.rejects(work, (error) => isPixelError(error, 'aborted'));
  assert.deepEqual(readdirSync(out), []);
  await content.dispose();
});

test('a set of GGUF files becomes one file', async () => {
  const word = (value: number) => ({ type: 'uint16', value }) as const;
  const parts = [smallModel().slice(0, 5), smallModel().slice(5)].map((tensors, index) =>
    gguf({ 'split.no': word(index), 'split.count': word(2), ...(index === 0 ? { kept: word(9) } : {}) }, tensors),
  );
  const files = new Map(parts.map((bytes, index) => [`m-0000${index + 1}-of-00002.gguf`, bytes]));
  const content = async (name: string) =>
    openContent(new MemoryByteSource(files.get(name)!, name), {
      openSibling: async (sibling) => new MemoryByteSource(files.get(sibling)!, sibling),
    });
  const merged = await toGguf(await picturesOf(await content('m-00002-of-00002.gguf')));
  const head = await readGgufHead(new MemoryByteSource(merged));
  assert.deepEqual([...head.metadata.keys()], ['kept']);
  assert.deepEqual(
    head.tensors.map(({ name }) => name),
    smallModel().map(({ name }) => name),
  );
  for (const [index, part] of parts.entries()) {
    for (const { name, offset, byteLength } of (await readGgufHead(new MemoryByteSource(part))).tensors) {
      const tensor = head.tensors.find((candidate) => candidate.name === name);
      assertSame(
        merged.subarray(tensor?.offset, (tensor?.offset ?? 0) + byteLength),
        part.subarray(offset, offset + byteLength),
      );
      assert.ok(index < 2);
    }
  }
});

test('requantizing changes matrices, keeps vectors, says what it did otherwise, and gives a proper GGUF back', async () => {
  const values = Float32Array.from({ length: 512 * 40 }, (_, i) => Math.sin(i) / 8);
  const file = gguf({}, [
    tensorOf('blk.0.a.weight', 'F32', 512, 40),
    tensorOf('blk.0.b.weight', 'F32', 160, 128),
    tensorOf('blk.0.a.bias', 'F32', 512),
  ]);
  const { tensors } = await readGgufHead(new MemoryByteSource(file));
  for (const { offset, byteLength } of tensors.slice(0, 2))
    file.set(new Uint8Array(values.buffer, 0, byteLength), offset);
  const { content, notes } = requantizeContent(await openContent(new MemoryByteSource(file)), 'Q4_K');
  assert.match(notes.join(), /^1 matrix is Q8_0: their rows are no whole number of Q4_K blocks of 256/);
  const back = await toGguf(await picturesOf(content));
  const head = await readGgufHead(new MemoryByteSource(back));
  assert.deepEqual(
    head.tensors.map(({ type }) => type.name),
    ['Q4_K', 'Q8_0', 'F32'],
  );
  assert.equal(head.metadata.get('general.file_type')?.value, 14);
  const again = requantizeContent(await openContent(new MemoryByteSource(file)), 'Q4_K').content;
  assertSame(await ggufOf(again), back);
});

test('a damaged matrix is not requantized, wherever the damage lies; a sound one is, also in parts', async () => {
  const file = gguf({}, [tensorOf('token_embd.weight', 'Q4_K', 256, 4000), tensorOf('odd.weight', 'F32', 256)]);
  const { dataOffset } = await readGgufHead(new MemoryByteSource(file));
  // Noise would be weights that no type can hold.
  file.fill(0, dataOffset);
  for (const shardSize of [undefined, 200_000]) {
    const pictures = await toPictures(file, { shardSize });
    const requantized = async () => {
      const openSibling = async (name: string) => new MemoryByteSource(pictures.get(name)!, name);
      const [first = ''] = pictures.keys();
      return ggufOf(requantizeContent(await openContent(await openSibling(first), { openSibling }), 'Q8_0').content);
    };
    assert.ok((await requantized()).length > file.length);
    const { model, pictures: opened } = await openSet(pictures);
    const lineBytes = model.width * 4;
    for (const { file: index, offset, byteLength } of model.tensors[0]!.parts.flatMap(({ planes }) => planes)) {
      const last = offset + byteLength - 1;
      const bytes = [...pictures.values()][index]!;
      // Lines are records of 44 bytes, the pixels and 4 bytes; 33 bytes follow the last.
      const fromEnd = 33 + (opened[index]!.height - Math.floor(last / lineBytes)) * (lineBytes + 48);
      const at = bytes.length - fromEnd + 44 + (last % lineBytes);
      bytes[at]! ^= 1;
      await assert.rejects(requantized(), (error) => {
        return isPixelError(error, 'damaged-picture') && error.message.includes('"token_embd.weight" is damaged');
      });
      bytes[at]! ^= 1;
    }
  }
});

test('a model with a tensor of an unknown type and an odd length is requantized out of a picture too', async () => {
  const tensors = [tensorOf('a.weight', 'F32', 64, 4), { ...unknown, byteLength: 45 }];
  const whole = oddGguf(tensors);
  const pictures = await toPictures(whole.subarray(0, whole.length - 32 + (45 % 32)));
  const [picture] = pictures.values();
  const { content } = requantizeContent(await openContent(new MemoryByteSource(picture!)), 'F16');
  const head = await readGgufHead(new MemoryByteSource(await ggufOf(content)));
  assert.deepEqual(
    head.tensors.map(({ byteLength }) => byteLength),
    [512, 64],
  );
});

for (const kind of ['models', 'tokenizer']) {
  goldenTest(`every file of goldens/${kind} comes back byte for byte, from one picture and from many`, async () => {
    const names = readdirSync(golden(kind)).filter((name) => name.endsWith('.gguf'));
    assert.ok(names.length >= 6);
    for (const name of names) {
      const file = readFileSync(golden(`${kind}/${name}`));
      const whole = await toPictures(file, { createHasher: createWorkerHasher });
      assertSame(await toGguf(whole), file);
      const parts = await toPictures(file, { shardSize: 600_000 });
      assertSame(await toGguf(parts, [...parts.keys()].at(-1)), file);
    }
  });
}

goldenTest('a requantized matrix is its own rows quantized', async () => {
  const name = 'blk.1.ffn_down.weight';
  for (const type of ['BF16', 'Q8_0', 'Q6_K']) {
    const original = await openWeightsFile(golden('models/random-qwen3-F16.gguf'));
    const rows = { start: 0, end: rowsOf(original.head.tensors.get(name)!) };
    const expected = quantize(typeNamed(type), await readRows(original, name, rows));
    const { content } = requantizeContent(await openContentFile(golden('models/random-qwen3-F16.gguf')), type);
    const made = await openPictureWeights(await picturesOf(content, { shardSize: 400_000 }));
    assertSame(await readBlocks(made, name, rows), expected);
    await Promise.all([original.dispose(), content.dispose()]);
  }
});

test('the command converts there and back, by the content of IN and the name of OUT', async () => {
  const file = gguf({}, smallModel());
  writeFileSync(join(folder, 'model.gguf'), file);
  const run = (...parameters: string[]) => runCommand(['convert', ...parameters], { cwd: folder });
  const there = await run('model.gguf', 'model.pxi.png', '--shard-size', '150kB');
  assert.equal(there.code, 0, there.stderr);
  assert.match(there.stderr, /pictures, model-00001-of-0000\d\.pxi\.png and so on: \d+ kB of model in .* s, .*\/s\./);
  const second = readdirSync(folder).find((name) => name.startsWith('model-00002-of-')) ?? '';
  const back = await run(second, 'back.gguf');
  assert.equal(back.code, 0, back.stderr);
  assertSame(readFileSync(join(folder, 'back.gguf')), file);
});

test('the command says in one line what it cannot do', async () => {
  writeFileSync(join(folder, 'same.gguf'), gguf({}, smallModel()));
  writeFileSync(join(folder, 'cut.gguf'), gguf({}, smallModel()).subarray(0, 100_000));
  writeFileSync(join(folder, 'zip.gguf'), 'PK\x03\x04 and so on');
  const cases: readonly (readonly [typed: string, says: RegExp, code: number])[] = [
    ['same.gguf same.gguf', /same.gguf is the input itself/, 2],
    ['same.gguf out.jpg', /out.jpg says not what to write/, 2],
    ['same.gguf out.gguf --shard-size 1MB', /--shard-size is for pictures/, 2],
    ['same.gguf out.pxi.png --shard-size 5000', /shard size/, 2],
    ['same.gguf out.pxi.png --shard-size big', /It must be a number of bytes like 256MB/, 2],
    ['same.gguf out.pxi.png --type Q9', /Allowed choices are F32, F16/, 2],
    ['zip.gguf out.pxi.png', /zip.gguf is no model: .* this is a zip archive/, 2],
    ['cut.gguf out.pxi.png', /ends at byte .* incomplete/, 1],
  ];
  for (const [typed, says, code] of cases) {
    const result = await runCommand(['convert', ...typed.split(' ')], { cwd: folder });
    assert.match(result.stderr, says);
    assert.equal(result.stderr.trimEnd().split('\n').length, 1, result.stderr);
    assert.equal(result.code, code, typed);
  }
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.includes('out.')),
    [],
  );
});
