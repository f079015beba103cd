import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import fc from 'fast-check';
import { MemoryByteSink } from '../core/byte-sink.ts';
import { MemoryByteSource } from '../core/byte-source.ts';
import { isPixelError } from '../core/errors.ts';
import { openPicture } from '../png/open-picture.ts';
import { createPictureWriter } from '../png/picture-writer.ts';
import { type ModelManifest, readModelManifest } from './manifest.ts';
import { openContent } from './open-weights.ts';
import { openPictureSet } from './picture-set.ts';
import { describeModel, resolveManifest } from './stored-model.ts';
import { type Files, oddGguf, openSet, picturesOf, smallModel, sourceOf, toPictures } from './testing.ts';

let files: Files;
let manifest: ModelManifest;
/** The pixels between line 0 and the manifest. */
let content: Uint8Array;
before(async () => {
  files = await toPictures(oddGguf(smallModel(), { padding: 7, tail: Uint8Array.of(1) }));
  const picture = await openPicture(sourceOf(files));
  manifest = await readModelManifest(picture);
  const lineBytes = picture.width * 4;
  content = new Uint8Array(picture.superblock.manifest.offset - lineBytes);
  await picture.readPixels(lineBytes, [content]);
});

/** A copy of the manifest with one thing changed. */
function changed(change: (manifest: ModelManifest) => void): ModelManifest {
  const copy = structuredClone(manifest);
  change(copy);
  return copy;
}

/** The picture of the model with another manifest. */
async function withManifest(bytes: Uint8Array): Promise<MemoryByteSource> {
  const sink = new MemoryByteSink();
  const writer = await createPictureWriter(sink, { width: manifest.width, kind: 'model' });
  await writer.append([content]);
  await writer.finish(bytes);
  return new MemoryByteSource(sink.result(), 'model.pxi.png');
}

test('a manifest says the same after it was understood and written again', () => {
  assert.deepEqual(describeModel(resolveManifest(manifest, 'm')), manifest);
});

test('a manifest costs less than 500 bytes a tensor', () => {
  assert.ok(JSON.stringify(manifest).length / manifest.tensors.length < 500);
});

const LIES: readonly (readonly [what: string, says: RegExp, change: (manifest: ModelManifest) => void])[] = [
  [
    'a plane outside its file',
    /outside file 1/,
    (m) => {
      m.tensors[0]!.parts[0]!.planes[0]![1] += 1e6;
    },
  ],
  [
    'a plane in line 0',
    /outside file 1/,
    (m) => {
      m.tensors[0]!.parts[0]!.planes[0]![1] = 0;
    },
  ],
  [
    'a plane in a file that is not there',
    /outside file 3/,
    (m) => {
      m.tensors[0]!.parts[0]!.file = 2;
    },
  ],
  [
    'a plane too short',
    /do not make 1000 rows/,
    (m) => {
      m.tensors[1]!.parts[0]!.planes[0]![3] -= 32;
    },
  ],
  [
    'a plane of another name',
    /has a plane "x"/,
    (m) => {
      m.tensors[1]!.parts[0]!.planes[0]![0] = 'x';
    },
  ],
  [
    'a part of no rows',
    /a part that is no part/,
    (m) => {
      m.tensors[1]!.parts[0]!.rows = 0;
    },
  ],
  ['rows missing', /has 1000 rows, but its parts have 0/, (m) => void m.tensors[1]!.parts.pop()],
  [
    'two planes in one place',
    /two runs share line/,
    (m) => {
      m.tensors[2]!.parts = m.tensors[7]!.parts;
    },
  ],
  [
    'a type by two names',
    /of type Q4_0 by name, but of Q8_0 by number/,
    (m) => {
      m.tensors[1]!.type[0] = 'Q4_0';
    },
  ],
  [
    'columns that are no blocks',
    /no multiple of Q8_0's 32/,
    (m) => {
      m.tensors[1]!.dimensions[0] = 65;
    },
  ],
  [
    'more bytes than can be',
    /more than 70368744177664 bytes/,
    (m) => {
      m.tensors[1]!.dimensions = [64, 2 ** 50];
    },
  ],
  [
    'a position twice',
    /claimed twice/,
    (m) => {
      m.tensors[1]!.position = m.tensors[0]!.position;
    },
  ],
  [
    'a GGUF file too short',
    /its content ends at/,
    (m) => {
      m.gguf.byteLength = 5000;
    },
  ],
  [
    'a head of another length',
    /the GGUF head has 9 bytes/,
    (m) => {
      m.gguf.head.byteLength = 9;
    },
  ],
  [
    'a name twice',
    /same name/,
    (m) => {
      m.tensors[1]!.name = m.tensors[0]!.name;
    },
  ],
  ['a tensor in no layer', /is in no layer/, (m) => void m.layers[0]!.tensors.pop()],
  ['a tensor in two layers', /not there or not its own/, (m) => void m.layers[1]!.tensors.push('token_embd.weight')],
  [
    'a layer outside',
    /lines of layer "embedding"/,
    (m) => {
      m.layers[0]!.lines[0]![2] = 1e6;
    },
  ],
  [
    'a width of no power of two',
    /no power of two/,
    (m) => {
      m.width = 257;
    },
  ],
  [
    'files that are not described',
    /describes 1 of 2 files/,
    (m) => {
      m.set.count = 2;
    },
  ],
];

for (const [what, says, change] of LIES) {
  test(`a manifest with ${what} is refused`, () => {
    assert.throws(
      () => resolveManifest(changed(change), 'm'),
      (error) => isPixelError(error, 'bad-manifest') && says.test(error.message),
    );
  });
}

test('a GGUF file of more zeros than alignment can ask for is refused, out of a picture and into one', async () => {
  const endless = changed((copy) => {
    copy.gguf.byteLength = 2 ** 50;
  });
  const isTooMany = (error: unknown) => isPixelError(error, 'limit-exceeded') && /bytes of zeros/.test(error.message);
  assert.throws(() => resolveManifest(endless, 'm'), isTooMany);
  const gguf = await openContent(new MemoryByteSource(oddGguf(smallModel()), 'model.gguf'));
  await assert.rejects(picturesOf({ ...gguf, byteLength: 2 ** 50 }), isTooMany);
});

test('a manifest that disagrees with the GGUF head in the pixels is refused', async () => {
  const swapped = changed((copy) => {
    copy.tensors[0]!.dimensions = [4, 16];
  });
  swapped.tensors[0]!.parts[0]!.rows = 16;
  const source = await withManifest(new TextEncoder().encode(JSON.stringify(swapped)));
  await assert.rejects(
    openPictureSet(source),
    (error) => isPixelError(error, 'bad-manifest') && /disagree about tensor "output_norm.weight"/.test(error.message),
  );
});

/** Paths of all numbers, strings and lists in the manifest. */
function pathsOf(value: unknown, path: readonly (string | number)[] = []): (readonly (string | number)[])[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, item]) => pathsOf(item, [...path, key]))];
}

test('no change to a manifest does worse than an error that says so', async () => {
  const paths = pathsOf(manifest).filter((path) => path.length > 0);
  const value = fc.oneof(
    fc.constantFrom(0, 1, -1, 0.5, 2 ** 31, 2 ** 53 - 1, 2 ** 53, 1e300, null, '', '__proto__', true),
    fc.constantFrom([], {}, [[]], [0, 0, 0, 0], 'x'.repeat(1000)),
    fc.nat(100_000),
  );
  const runs = process.env.PIXEL_FULL === '1' ? 20_000 : 150;
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom(...paths), value), { minLength: 1, maxLength: 3 }),
      async (edits) => {
        const copy = structuredClone(manifest) as unknown as Record<string, unknown>;
        for (const [path, replacement] of edits) {
          let at: Record<string, unknown> | undefined = copy;
          for (const key of path.slice(0, -1)) at = at?.[key] as Record<string, unknown> | undefined;
          // A copy: the same list put into itself would be no JSON.
          if (typeof at === 'object' && at !== null) at[path.at(-1)!] = structuredClone(replacement);
        }
        const source = await withManifest(new TextEncoder().encode(JSON.stringify(copy)));
        try {
          await (await openPictureSet(source)).dispose();
        } catch (error) {
          assert.ok(isPixelError(error), String(error));
          refused++;
        }
      },
    ),
    { numRuns: runs },
  );
  assert.ok(refused > runs / 2);
});

test('text that is no manifest is refused', async () => {
  for (const text of ['', 'no', '{}', '[]', 'null', '{"formatVersion":1}', '\xff', '{"a":'.repeat(100_000)]) {
    const source = await withManifest(new TextEncoder().encode(text));
    await assert.rejects(openPictureSet(source), (error) => isPixelError(error, 'bad-manifest'));
  }
});

test('the pictures as written open, of course', async () => {
  const set = await openSet(files);
  assert.equal(set.model.tensors.length, smallModel().length);
});
