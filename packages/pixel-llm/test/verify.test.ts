import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { MemoryByteSource } from '../src/core/byte-source.ts';
import { isPixelError } from '../src/core/errors.ts';
import { gguf } from '../src/gguf/testing.ts';
import { encodePng, imageMagick, makeFile, rasterOf, skipWithout } from '../src/png/testing.ts';
import { openContent, openWeights } from '../src/pxi/open-weights.ts';
import {
  type Files,
  oddGguf,
  openSet,
  picturesOf,
  smallModel,
  sourceOf,
  toGguf,
  toPictures,
} from '../src/pxi/testing.ts';
import { type VerifyReport, verifyModelFile } from '../src/pxi/verify-file.ts';
import { runCommand } from './command-line.ts';
import { golden, goldenTest } from './goldens.ts';

const folder = mkdtempSync(join(tmpdir(), 'pixel-llm-verify-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function verify(files: Files, name: string = [...files.keys()][0] ?? ''): Promise<VerifyReport> {
  return verifyModelFile(name, async (sibling) => sourceOf(files, sibling));
}

/** Where a byte of the raster lies in a mappable file: the line's first byte stands 48 bytes after the last one's end. */
function fileOffset(png: Uint8Array, width: number, offset: number): number {
  const first = Buffer.from(png).indexOf('IDAT') + 4 + 2 + 4;
  const line = Math.floor(offset / (width * 4));
  return first + line * (width * 4 + 48) + 44 + (offset % (width * 4));
}

test('pictures as written are sound, whichever is named', async () => {
  const files = await toPictures(oddGguf(smallModel(), { padding: 5 }), { shardSize: 150_000 });
  const report = await verify(files, [...files.keys()].at(-1));
  assert.deepEqual(report.findings, []);
  assert.equal(report.files, files.size);
  assert.equal(report.tensors, smallModel().length);
});

test('one changed byte names its line and its tensor, in any plane of any tensor', async () => {
  const files = await toPictures(gguf({}, smallModel()), { shardSize: 150_000 });
  const names = [...files.keys()];
  const { model } = await openSet(files);
  for (const tensor of model.tensors) {
    for (const { file, offset, byteLength } of tensor.parts.flatMap(({ planes }) => planes)) {
      const name = names[file]!;
      const bytes = files.get(name)!.slice();
      const damaged = offset + (byteLength >> 1);
      const at = fileOffset(bytes, model.width, damaged);
      bytes[at] = bytes[at]! ^ 1;
      const { findings } = await verify(new Map([...files, [name, bytes]]));
      const line = Math.floor(damaged / (model.width * 4));
      const lines = findings.filter((finding) => finding.line === line && finding.file === name);
      assert.equal(lines.length, 1, JSON.stringify(findings));
      assert.ok(lines[0]?.tensors?.includes(tensor.name));
      assert.match(lines[0]?.message ?? '', new RegExp(`Line ${line}: its CRC does not match`));
      assert.ok(findings.some(({ message }) => message.includes(`tensor "${tensor.name}" is damaged`)));
      assert.equal(findings.length, 2);
    }
  }
});

test('damage that another program gave a new checksum is found by the SHA-256', async () => {
  const files = await toPictures(gguf({}, smallModel()));
  const [[name, png] = ['', new Uint8Array(0)]] = files;
  const raster = rasterOf(png);
  const { model } = await openSet(files);
  const tensor = model.tensors.find(({ name: candidate }) => candidate === 'blk.1.attn_q.weight');
  raster.rgba[tensor!.parts[0]!.planes[1]!.offset] = 99;
  const { findings } = await verify(new Map([[name, encodePng(raster)]]));
  assert.deepEqual(
    findings.map(({ tensors }) => tensors),
    [['blk.1.attn_q.weight']],
  );
  await assert.rejects(
    toGguf(new Map([[name, encodePng(raster)]])),
    (error) => isPixelError(error, 'damaged-picture') && /"blk.1.attn_q.weight" is damaged/.test(error.message),
  );
  await assert.rejects(
    picturesOf(await openContent(new MemoryByteSource(encodePng(raster), 'm.png'))),
    (error) => isPixelError(error, 'damaged-picture') && /"blk.1.attn_q.weight" is damaged/.test(error.message),
  );
});

test('damage to the head and to gaps is found too', async () => {
  const files = await toPictures(oddGguf(smallModel(), { gap: 96, padding: 200 }));
  const [[name, png] = ['', new Uint8Array(0)]] = files;
  const { model } = await openSet(files);
  for (const [offset, says] of [
    [model.head.runs[0]!.offset + model.head.byteLength - 1, /the GGUF head in it is damaged/],
    [model.gaps[1]!.runs[0]!.offset, /the bytes between tensors at \d+ are damaged/],
  ] as const) {
    const raster = rasterOf(png);
    raster.rgba[offset] = raster.rgba[offset]! ^ 4;
    const { findings } = await verify(new Map([[name, encodePng(raster)]]));
    assert.equal(findings.length, 1);
    assert.match(findings[0]?.message ?? '', says);
    await assert.rejects(toGguf(new Map([[name, encodePng(raster)]])), says);
  }
});

test('a damaged manifest is named by its line', async () => {
  const files = await toPictures(gguf({}, smallModel()));
  const [[name, png] = ['', new Uint8Array(0)]] = files;
  const set = await openSet(files);
  const picture = set.pictures[0]!;
  const bytes = png.slice();
  const at = fileOffset(bytes, picture.width, picture.superblock.manifest.offset + 100);
  bytes[at] = bytes[at]! ^ 0x80;
  const { findings } = await verify(new Map([[name, bytes]]));
  assert.equal(findings[0]?.line, picture.superblock.manifest.offset / (picture.width * 4));
  assert.ok(findings.length >= 2);
});

test('files of a set that are missing, of another model or renamed are named', async () => {
  const files = await toPictures(gguf({}, smallModel()), { shardSize: 80_000 });
  const [first = '', second = '', third = ''] = files.keys();
  const without = new Map(files);
  without.delete(second);
  await assert.rejects(
    openSet(without, third),
    (error) => isPixelError(error, 'missing-part') && error.message.includes(second) && !error.message.includes(first),
  );
  const other = await toPictures(oddGguf(smallModel()), { shardSize: 80_000 });
  await assert.rejects(
    openSet(new Map([...files, [second, other.get(second)!]])),
    (error) => isPixelError(error, 'missing-part') && error.message.startsWith(`${second} belongs to another model`),
  );
  await assert.rejects(
    openSet(new Map([...files, [second, files.get(third)!]])),
    (error) => isPixelError(error, 'bad-manifest') && error.message.startsWith(`${second} says it is picture 3 of`),
  );
  await assert.rejects(
    openSet(new Map([['renamed.png', files.get(third)!]])),
    (error) => isPixelError(error, 'missing-part') && /call it NAME-00003-of-0000\d.pxi.png again/.test(error.message),
  );
  await assert.rejects(
    openWeights(new MemoryByteSource(files.get(third)!, third)),
    (error) => isPixelError(error, 'missing-part') && /not at hand/.test(error.message),
  );
});

test('files that are no models are told apart from damaged ones', async () => {
  const cases: readonly (readonly [bytes: Uint8Array, says: RegExp])[] = [
    [new Uint8Array(0), /an empty file/],
    [Uint8Array.of(71, 71), /only 2 bytes/],
    [new Uint8Array(600), /begins with zeros/],
    [Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0, 0, 0, 0, 0), /a JPEG/],
    [new TextEncoder().encode('<!DOCTYPE html>'), /a web page/],
    [new TextEncoder().encode('version https://git-lfs.github.com/spec/v1\n'), /a Git LFS pointer/],
    [Uint8Array.of(64, 1, 0, 0, 0, 0, 0, 0, 0x7b, 0x22), /safetensors/],
    [new TextEncoder().encode('{"model": 1}'), /JSON/],
    [new TextEncoder().encode('hello there'), /text/],
    [Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9), /no file known here/],
    [await makeFile(new Uint8Array(9)), /a picture of kind "bytes", not a model: `pixel-llm fs get`/],
  ];
  for (const [bytes, says] of cases) {
    await assert.rejects(
      openWeights(new MemoryByteSource(bytes, 'x')),
      (error) => isPixelError(error, 'unknown-format') && says.test(error.message),
    );
  }
});

goldenTest('a bit flipped anywhere in a picture of a real model is found', async () => {
  const files = await toPictures(readFileSync(golden('models/TinyStories-656K-Q8_0.gguf')));
  const [[name, png] = ['', new Uint8Array(0)]] = files;
  const tries = process.env.PIXEL_FULL === '1' ? 2000 : 30;
  let state = 7;
  for (let i = 0; i < tries; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const bytes = png.slice();
    const at = state % bytes.length;
    bytes[at] = bytes[at]! ^ (1 << (state >>> 29));
    try {
      const report = await verify(new Map([[name, bytes]]));
      assert.ok(report.findings.length > 0, `byte ${at}`);
    } catch (error) {
      assert.ok(isPixelError(error), `byte ${at}: ${error}`);
    }
  }
});

const magick = imageMagick();
const recompressed = 'a model that ImageMagick compressed anew verifies and gives the same GGUF back';

test(recompressed, { skip: skipWithout(magick) }, async () => {
  assert.ok(magick, 'ImageMagick is installed');
  const file = gguf({}, smallModel());
  const [png] = (await toPictures(file)).values();
  writeFileSync(join(folder, 'a.png'), png!);
  const made = spawnSync(magick, ['a.png', '-define', 'png:compression-level=9', 'b.png'], { cwd: folder });
  assert.equal(made.status, 0, String(made.stderr));
  const files = new Map([['b.png', new Uint8Array(readFileSync(join(folder, 'b.png')))]]);
  assert.ok(files.get('b.png')!.length !== png!.length);
  assert.deepEqual((await verify(files)).findings, []);
  assert.deepEqual(await toGguf(files), file);
});

test('the command exits with 1 and names what is damaged, for people and as JSON', async () => {
  const [png] = (await toPictures(gguf({}, smallModel()))).values();
  writeFileSync(join(folder, 'good.pxi.png'), png!);
  const good = await runCommand(['verify', 'good.pxi.png'], { cwd: folder });
  assert.equal(good.code, 0, good.stderr);
  assert.match(good.stdout, /^good.pxi.png is sound: \d+ lines of pixels and the SHA-256 of 14 tensors/);
  const bytes = png!.slice();
  bytes[150_000] = bytes[150_000]! ^ 1;
  writeFileSync(join(folder, 'bad.pxi.png'), bytes);
  const bad = await runCommand(['verify', 'bad.pxi.png', '--json'], { cwd: folder });
  assert.equal(bad.code, 1);
  const report = JSON.parse(bad.stdout);
  assert.equal(report.sound, false);
  assert.equal(report.findings.length, 2);
  writeFileSync(join(folder, 'cut.gguf'), gguf({}, smallModel()).subarray(0, 100_000));
  const cut = await runCommand(['verify', 'cut.gguf'], { cwd: folder });
  assert.equal(cut.code, 1);
  assert.match(cut.stdout, /incomplete/);
});
