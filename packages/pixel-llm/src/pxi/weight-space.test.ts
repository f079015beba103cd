import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { columnsOf, rowsOf, type TensorInfo } from '../gguf/head.ts';
import { tensorTypeByName, unknownTensorType } from '../gguf/tensor-types.ts';
import { groupLayers } from './layers.ts';
import type { TensorPart } from './layout.ts';
import { placeTensors, type Rectangle, type WeightSpace } from './weight-space.ts';
import { bytesOfWeight, pointOfWeight, tensorAtPoint, weightAtPoint, weightsOfByte } from './weight-space-mapping.ts';

type Tensors = ReadonlyMap<string, TensorInfo>;

function tensorMap(
  shapes: readonly (readonly [name: string, columns: number, rows: number])[],
  typeName = 'F32',
): Tensors {
  const type = tensorTypeByName(typeName);
  assert.ok(type);
  return new Map(
    shapes.map(([name, columns, rows]) => {
      const dimensions = rows === 1 ? [columns] : [columns, rows];
      return [name, { name, type, dimensions, byteLength: ((columns * rows) / type.blockElements) * type.blockBytes }];
    }),
  );
}

function place(tensors: Tensors): WeightSpace {
  return placeTensors(groupLayers(tensors.values()), tensors);
}

/** A model of random shape, at times with tensors no sane model has. */
const anyTensors = fc
  .record({
    layers: fc.integer({ min: 0, max: 5 }),
    kinds: fc.uniqueArray(
      fc.constantFrom(
        'attn_norm',
        'attn_q',
        'attn_k',
        'attn_v',
        'attn_output',
        'ffn_norm',
        'ffn_up',
        'ffn_down',
        'odd',
      ),
      { minLength: 1 },
    ),
    sizes: fc.array(fc.tuple(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 2000 })), {
      minLength: 12,
      maxLength: 12,
    }),
  })
  .map(({ layers, kinds, sizes }) => {
    const shapes: [string, number, number][] = [];
    const size = (index: number) => sizes[index % sizes.length] ?? [1, 1];
    shapes.push(['token_embd.weight', ...size(10)], ['output.weight', ...size(11)], ['rope_freqs.weight', 64, 1]);
    for (let layer = 0; layer < layers; layer++) {
      kinds.forEach((kind, index) => void shapes.push([`blk.${layer}.${kind}.weight`, ...size(index)]));
    }
    return tensorMap(shapes);
  });

function overlap(a: Rectangle, b: Rectangle): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

function contains(outer: Rectangle, inner: Rectangle): boolean {
  return (
    inner.x >= outer.x &&
    inner.y >= outer.y &&
    inner.x + inner.width <= outer.x + outer.width &&
    inner.y + inner.height <= outer.y + outer.height
  );
}

test('rectangles of tensors lie apart, inside their layer, inside the space', () => {
  fc.assert(
    fc.property(anyTensors, (tensors) => {
      const layers = groupLayers(tensors.values());
      const space = placeTensors(layers, tensors);
      const page = { x: 0, y: 0, width: space.width, height: space.height };
      const frames = [...space.layers.values()];
      frames.forEach((frame, index) => {
        assert.ok(contains(page, frame));
        for (const other of frames.slice(index + 1)) assert.ok(!overlap(frame, other));
      });
      for (const layer of layers) {
        const frame = space.layers.get(layer.id);
        const inside = layer.tensors.map((name) => space.rectangles.get(name));
        inside.forEach((rectangle, index) => {
          assert.ok(frame && rectangle && contains(frame, rectangle));
          for (const other of inside.slice(index + 1)) assert.ok(other && !overlap(rectangle, other));
        });
      }
    }),
    { numRuns: 60 },
  );
});

test('a line of text is free above every tensor', () => {
  fc.assert(
    fc.property(anyTensors, (tensors) => {
      const space = place(tensors);
      for (const { x, y, width } of space.rectangles.values()) {
        const text = { x, y: y - space.gutter, width, height: space.gutter };
        for (const other of space.rectangles.values()) assert.ok(!overlap(text, other));
      }
    }),
    { numRuns: 40 },
  );
});

test('a weight has a point of its own, and the point leads back to the weight', () => {
  fc.assert(
    fc.property(
      anyTensors,
      fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
      (tensors, random) => {
        const space = place(tensors);
        const next = () => random.next().value ?? 0;
        for (const [name, tensor] of tensors) {
          const rectangle = space.rectangles.get(name);
          assert.ok(rectangle);
          const weight = { row: Math.floor(next() * rowsOf(tensor)), column: Math.floor(next() * columnsOf(tensor)) };
          const point = pointOfWeight(rectangle, weight);
          assert.deepEqual(weightAtPoint(rectangle, tensor, point), weight);
          assert.equal(tensorAtPoint(space, point), name);
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('every point of a rectangle is one weight, a gap or the rest under the last row: no weight twice, none left out', () => {
  const tensors = tensorMap([
    ['token_embd.weight', 7, 101],
    ['blk.0.attn_q.weight', 7, 7],
    ['blk.0.ffn_up.weight', 7, 33],
  ]);
  const space = place(tensors);
  for (const [name, tensor] of tensors) {
    const rectangle = space.rectangles.get(name);
    assert.ok(rectangle);
    const seen = new Set<number>();
    for (let y = rectangle.y - 1; y <= rectangle.y + rectangle.height; y++) {
      for (let x = rectangle.x - 1; x <= rectangle.x + rectangle.width; x++) {
        const weight = weightAtPoint(rectangle, tensor, { x, y });
        if (!weight) continue;
        const index = weight.row * 7 + weight.column;
        assert.ok(!seen.has(index));
        seen.add(index);
      }
    }
    assert.equal(seen.size, rowsOf(tensor) * 7);
  }
});

test('a weight has bytes in every plane, and each of these bytes leads back to the block of the weight', () => {
  const tensors = tensorMap([['blk.0.attn_q.weight', 512, 300]], 'Q4_K');
  const tensor = tensors.get('blk.0.attn_q.weight');
  assert.ok(tensor);
  const parts: TensorPart[] = [0, 128].map((rowStart, file) => {
    const rowEnd = file === 0 ? 128 : 300;
    const planes = tensor.type.fields.map(({ bytes }, index) => {
      return { file, offset: 4096 + index * 100_000, byteLength: (rowEnd - rowStart) * 2 * bytes };
    });
    return { file, rowStart, rowEnd, planes };
  });
  fc.assert(
    fc.property(fc.nat(299), fc.nat(511), fc.nat(1000), (row, column, pick) => {
      const pieces = bytesOfWeight(tensor, parts, { row, column });
      assert.deepEqual(
        pieces.map(({ plane, byteLength }) => [plane, byteLength]),
        tensor.type.fields.map(({ name, bytes }) => [name, bytes]),
      );
      for (const { plane, file, offset, byteLength } of pieces) {
        assert.equal(file, row < 128 ? 0 : 1);
        const firstColumn = column < 256 ? 0 : 256;
        const found = weightsOfByte(tensor, parts, file, offset + (pick % byteLength));
        assert.deepEqual(found, { plane, row, firstColumn, columns: 256 });
      }
    }),
  );
  assert.equal(weightsOfByte(tensor, parts, 0, 4095), undefined);
  assert.equal(weightsOfByte(tensor, parts, 2, 4096), undefined);
});

test('the page of a model of many layers is neither a needle nor a ribbon', () => {
  for (const [layers, dim, hidden, vocabulary] of [
    [30, 576, 1536, 49_152],
    [24, 896, 4864, 151_936],
    [80, 8192, 28_672, 128_256],
  ] as const) {
    const shapes: [string, number, number][] = [['token_embd.weight', dim, vocabulary]];
    for (let layer = 0; layer < layers; layer++) {
      const name = (kind: string) => `blk.${layer}.${kind}.weight`;
      shapes.push([name('attn_norm'), dim, 1], [name('attn_q'), dim, dim], [name('attn_output'), dim, dim]);
      shapes.push([name('ffn_gate'), dim, hidden], [name('ffn_up'), dim, hidden], [name('ffn_down'), hidden, dim]);
    }
    const { width, height } = place(tensorMap(shapes));
    assert.ok(height / width > 0.4 && height / width < 2.6, `${width} x ${height}`);
  }
});

test('tensors whose declared dimensions prove nothing are placed by their bytes', () => {
  const q4 = tensorTypeByName('Q4_0');
  assert.ok(q4);
  const huge = 2 ** 40;
  const odd: TensorInfo[] = [
    { name: 'a', type: unknownTensorType(999), dimensions: [huge, huge, huge, huge], byteLength: 5000 },
    { name: 'b', type: q4, dimensions: [0, huge], byteLength: 0 },
    { name: 'blk.0.c', type: unknownTensorType(999), dimensions: [1, huge], byteLength: 3 },
  ];
  const space = place(new Map(odd.map((tensor) => [tensor.name, tensor])));
  assert.ok(space.width < 10_000 && space.height < 10_000);
  const [opaque] = odd;
  const rectangle = space.rectangles.get('a');
  assert.ok(opaque && rectangle);
  const parts: TensorPart[] = [
    { file: 0, rowStart: 0, rowEnd: 3000, planes: [{ file: 0, offset: 256, byteLength: 3000 }] },
    { file: 1, rowStart: 3000, rowEnd: 5000, planes: [{ file: 1, offset: 512, byteLength: 2000 }] },
  ];
  for (const byte of [0, 1023, 1024, 2999, 3000, 4999]) {
    const weight = { row: Math.floor(byte / 1024), column: byte % 1024 };
    assert.deepEqual(weightAtPoint(rectangle, opaque, pointOfWeight(rectangle, weight)), weight);
    const [file, offset] = byte < 3000 ? [0, 256 + byte] : [1, 512 + byte - 3000];
    assert.deepEqual(bytesOfWeight(opaque, parts, weight), [{ plane: 'raw', file, offset, byteLength: 1 }]);
    const block = { plane: 'raw', row: weight.row, firstColumn: weight.column, columns: 1 };
    assert.deepEqual(weightsOfByte(opaque, parts, file, offset), block);
  }
});

test('a model without tensors has an empty space', () => {
  const space = place(new Map());
  assert.deepEqual([space.width, space.height, space.rectangles.size], [1, 1, 0]);
});
