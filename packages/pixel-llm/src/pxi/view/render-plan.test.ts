import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { groupLayers } from '../layers.ts';
import { madeTensors } from '../make-model/make-model.ts';
import { MODEL_SHAPES, type ModelShape } from '../make-model/shapes.ts';
import { placeTensor, placeTensors, type Rectangle } from '../weight-space.ts';
import { LETTER_HEIGHT, textWidth } from './font.ts';
import { captionLabels, weightLegend } from './render-caption.ts';
import { type DrawingPlan, drawnWidth, planDrawing } from './render-plan.ts';

const TEXT = { title: 'A model', subtitle: 'of some kind' };

function planOf(shape: ModelShape, width?: number): DrawingPlan {
  const tensors = new Map(madeTensors(shape, 'F16').map((tensor) => [tensor.name, tensor]));
  const layers = groupLayers(tensors.values());
  const space = placeTensors(layers, tensors, { overviewWidth: drawnWidth(width) });
  return planDrawing(space, tensors, layers, { width });
}

function labelAreas(plan: DrawingPlan): Rectangle[] {
  const caption = captionLabels(plan, { ...TEXT, ...weightLegend(plan, 'stored as Q8_0 100 %') });
  return [...plan.labels, ...caption].map(({ text, x, y, scale }) => {
    return { x, y, width: textWidth(text, scale), height: LETTER_HEIGHT * scale };
  });
}

function overlap(a: Rectangle, b: Rectangle): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

function checkPlan(plan: DrawingPlan): void {
  const labels = labelAreas(plan);
  const areas = plan.tensors.map(({ area }) => area);
  for (const { x, y, width, height } of [...labels, ...areas, ...plan.frames, plan.swatch]) {
    assert.ok(x >= 0 && y >= 0 && x + width <= plan.width && y + height <= plan.height);
  }
  labels.forEach((label, index) => {
    for (const other of labels.slice(index + 1)) assert.ok(!overlap(label, other), 'two labels overlap');
    for (const area of [...areas, plan.swatch]) assert.ok(!overlap(label, area), 'a label lies on a tensor');
  });
  areas.forEach((area, index) => {
    for (const other of areas.slice(index + 1)) assert.ok(!overlap(area, other), 'two tensors overlap');
  });
}

test('no label overlaps another or a tensor, and all lies in the drawing: every shape, narrow and wide', () => {
  for (const shape of Object.values(MODEL_SHAPES)) {
    for (const width of [undefined, 640, 1000, 3000]) checkPlan(planOf(shape, width));
  }
});

test('the same for models of any dimensions', () => {
  const shapes = fc.record({
    layers: fc.integer({ min: 1, max: 40 }),
    heads: fc.integer({ min: 1, max: 8 }),
    headDim: fc.constantFrom(2, 16, 64, 128),
    hidden: fc.integer({ min: 1, max: 9000 }),
    vocabulary: fc.integer({ min: 2, max: 60_000 }),
    width: fc.option(fc.integer({ min: 640, max: 4000 }), { nil: undefined }),
    architecture: fc.constantFrom('llama' as const, 'qwen2' as const),
    tied: fc.boolean(),
  });
  fc.assert(
    fc.property(shapes, ({ headDim, width, ...rest }) => {
      checkPlan(planOf({ ...MODEL_SHAPES.toy, ...rest, kvHeads: rest.heads, dim: rest.heads * headDim }, width));
    }),
    { numRuns: 30 },
  );
});

test('a drawing keeps to the width asked for, and to about 1800 pixels when none is', () => {
  for (const shape of Object.values(MODEL_SHAPES)) {
    for (const width of [640, 1000, 2500]) assert.ok(planOf(shape, width).width <= width);
    const usual = planOf(shape).width;
    assert.ok(usual > 900 && usual < 1900, `${usual}`);
  }
});

test('at an overview every layer and every matrix has a label', () => {
  const { labels, tensors } = planOf(MODEL_SHAPES['smollm-135m']);
  for (const id of ['embedding', 'layer 0', 'layer 29', 'output'])
    assert.ok(
      labels.some(({ text }) => text === id),
      id,
    );
  assert.equal(labels.filter(({ tone }) => tone === 'tensor').length, tensors.length);
});

test('labels end with what is noted of their tensor or layer, where there is room', () => {
  const tensors = new Map(madeTensors(MODEL_SHAPES.toy, 'F16').map((tensor) => [tensor.name, tensor]));
  const layers = groupLayers(tensors.values());
  const texts = planDrawing(placeTensors(layers, tensors), tensors, layers, {
    tensorNote: ({ name }) => (name === 'blk.1.attn_q.weight' ? '12 %' : ''),
    layerNote: (id) => (id === 'layer.1' ? '3 %' : ''),
  }).labels.map(({ text }) => text);
  assert.deepEqual(
    texts.filter((text) => text.includes('%')),
    ['layer 1  3 %', 'attn_q  12 %'],
  );
  assert.ok(texts.includes('layer 2') && texts.includes('ffn_up  384 x 128'));
});

test('a small tensor is magnified by a whole number, a large one shares pixels', () => {
  const single = (columns: number, rows: number) => {
    const tensors = madeTensors({ ...MODEL_SHAPES.toy, dim: columns, hidden: rows, layers: 1 }, 'F16');
    const tensor = tensors.find(({ name }) => name === 'blk.0.ffn_up.weight');
    assert.ok(tensor);
    const plan = planDrawing(placeTensor(tensor), new Map([[tensor.name, tensor]]), []);
    checkPlan(plan);
    return plan;
  };
  assert.deepEqual([single(128, 128).zoom, single(128, 128).cell], [14, 1]);
  assert.deepEqual([single(1024, 1024).zoom, single(1024, 1024).cell], [1, 1]);
  assert.deepEqual([single(8192, 28_672).zoom, single(8192, 28_672).cell], [1, 5]);
  assert.equal(single(8, 100_000).tensors[0]?.parts.length, 79);
});
