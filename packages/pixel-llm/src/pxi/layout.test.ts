import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isPixelError } from '../core/errors.ts';
import type { TensorInfo } from '../gguf/head.ts';
import { tensorOf } from '../gguf/testing.ts';
import { type FileRun, type PicturePlan, PLANE_STEP, planPictures, SPLIT_ROWS } from './layout.ts';
import { smallModel } from './testing.ts';

const arbitraryTensor = fc
  .tuple(fc.constantFrom('F32', 'F16', 'Q8_0', 'Q4_K', 'Q6_K', 'IQ2_XS'), fc.nat(3), fc.nat(3000), fc.nat(4))
  .map(([type, blocks, rows, layer]) => ({ type, columns: 256 * (blocks + 1), rows, layer }));

const arbitraryModel = fc.array(arbitraryTensor, { minLength: 1, maxLength: 12 }).map((tensors) =>
  tensors.map(({ type, columns, rows, layer }, index) => {
    const name = layer === 4 ? `other${index}` : `blk.${layer}.t${index}.weight`;
    return rows < 2 ? tensorOf(name, type, columns) : tensorOf(name, type, columns, rows);
  }),
);

/** 128 rows of any of these tensors fit. */
const arbitraryShardSize = fc.integer({ min: 800_000, max: 5_000_000 });

function plan(tensors: TensorInfo[], shardSize: number, gaps: number[] = []): PicturePlan {
  return planPictures(tensors, 3000, gaps, { shardSize, manifestBytes: 2000 });
}

function runsOf(planned: PicturePlan): FileRun[] {
  const planes = planned.tensors.flatMap(({ parts }) => parts.flatMap((part) => part.planes));
  return [...planned.head, ...planned.gaps.flat(), ...planes];
}

test('runs never overlap, lie below line 0 and inside the lines of content, in the order in which they are written', () => {
  fc.assert(
    fc.property(arbitraryModel, arbitraryShardSize, (tensors, shardSize) => {
      const planned = plan(tensors, shardSize, [70, 100_000]);
      const lineBytes = planned.width * 4;
      let before: FileRun = { file: 0, offset: lineBytes, byteLength: 0 };
      for (const run of runsOf(planned)) {
        const isAfter = run.file > before.file || run.offset >= before.offset + before.byteLength;
        assert.ok(run.file >= before.file && isAfter && run.offset >= lineBytes);
        assert.ok(run.offset + run.byteLength <= (planned.contentLines[run.file] ?? 0) * lineBytes);
        before = run;
      }
    }),
  );
});

test('planes of a line or more start at x = 0, smaller ones at steps of 256 bytes within one line', () => {
  fc.assert(
    fc.property(arbitraryModel, arbitraryShardSize, (tensors, shardSize) => {
      const planned = plan(tensors, shardSize);
      const lineBytes = planned.width * 4;
      for (const { offset, byteLength } of runsOf(planned)) {
        assert.equal(offset % (byteLength >= lineBytes ? lineBytes : PLANE_STEP), 0);
        if (byteLength < lineBytes) assert.ok((offset % lineBytes) + byteLength <= lineBytes);
      }
    }),
  );
});

test('parts of a tensor are all of its rows in order, split only at multiples of 128', () => {
  fc.assert(
    fc.property(arbitraryModel, arbitraryShardSize, (tensors, shardSize) => {
      const planned = plan(tensors, shardSize);
      for (const { name, parts } of planned.tensors) {
        const tensor = tensors.find((candidate) => candidate.name === name);
        let row = 0;
        for (const part of parts) {
          assert.equal(part.rowStart, row);
          assert.equal(part.rowStart % SPLIT_ROWS, 0);
          row = part.rowEnd;
          const bytes = part.planes.reduce((sum, { byteLength }) => sum + byteLength, 0);
          assert.ok(part.planes.every(({ file }) => file === part.file));
          const rows = tensor?.dimensions[1] ?? 1;
          assert.equal(bytes * rows, (tensor?.byteLength ?? 0) * (part.rowEnd - part.rowStart));
        }
        assert.equal(row, tensor?.byteLength === 0 ? 0 : (tensor?.dimensions[1] ?? 1));
      }
    }),
  );
});

test('a layer is one contiguous run of lines of its own, and lies in one file if it fits one', () => {
  fc.assert(
    fc.property(arbitraryModel, arbitraryShardSize, (tensors, shardSize) => {
      const planned = plan(tensors, shardSize);
      const lineBytes = planned.width * 4;
      const capacity = Math.floor((shardSize - 4096) / (lineBytes + 48)) - 2;
      const taken = new Set<string>();
      for (const { tensors: names, lines } of planned.layers) {
        const size = lines.reduce((sum, { first, end }) => sum + end - first, 0);
        if (lines.length > 1) assert.ok(size * 1.2 > capacity - Math.ceil(2000 / lineBytes), `${size} of ${capacity}`);
        for (const { file, first, end } of lines) {
          for (let line = first; line < end; line++) {
            assert.ok(!taken.has(`${file} ${line}`));
            taken.add(`${file} ${line}`);
          }
        }
        const runs = planned.tensors.filter(({ name }) => names.includes(name)).flatMap(({ parts }) => parts);
        for (const { offset, file, byteLength } of runs.flatMap(({ planes }) => planes)) {
          const range = lines.find((candidate) => candidate.file === file);
          assert.ok(range && offset >= range.first * lineBytes && offset + byteLength <= range.end * lineBytes);
        }
      }
    }),
  );
});

test('files stay within the shard size, frame and manifest included', () => {
  fc.assert(
    fc.property(arbitraryModel, arbitraryShardSize, (tensors, shardSize) => {
      const planned = plan(tensors, shardSize);
      for (const [file, lines] of planned.contentLines.entries()) {
        const width = planned.width ?? 0;
        const manifestLines = Math.ceil((file === 0 ? 2000 : 1024) / (width * 4));
        assert.ok((lines + manifestLines) * (width * 4 + 48) + 4096 <= shardSize);
      }
    }),
  );
});

test('a model that fits one picture makes one roughly square picture', () => {
  const planned = planPictures(smallModel(), 500, [], { manifestBytes: 5000 });
  assert.equal(planned.files, 1);
  assert.equal(planned.width, 256);
  assert.ok((planned.contentLines[0] ?? 0) < 2 * 256);
});

test('the largest pictures are 8192 pixels wide and leave a file below 256 MiB', () => {
  const tensors = Array.from({ length: 12 }, (_, layer) => tensorOf(`blk.${layer}.x.weight`, 'F16', 8192, 4096));
  const planned = planPictures(tensors, 500, [], { manifestBytes: 5000 });
  assert.equal(planned.width, 8192);
  assert.equal(planned.files, 4);
  assert.deepEqual(planned.contentLines.slice(1), [3 * 2048 + 1, 3 * 2048 + 1, 3 * 2048 + 1]);
});

test('a shard size that cannot hold 128 rows of a tensor is refused by its name', () => {
  const tensors = [tensorOf('wide.weight', 'F32', 100_000, 256)];
  assert.throws(
    () => planPictures(tensors, 100, [], { shardSize: 10_000_000, manifestBytes: 100 }),
    (error) =>
      isPixelError(error, 'bad-argument') && /128 rows of tensor "wide.weight" are 51200000/.test(error.message),
  );
});
