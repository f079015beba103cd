/** Which kernels a product takes: integers meet integers only where the Program rounds, the device has the instruction, and the weights are integers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StageContext } from './dispatch.ts';
import type { DeviceTraits } from './kernels/kernel.ts';
import type { ProductOp } from './plan-ops.ts';
import { productDispatches, productTemps } from './product-stages.ts';

const TRAITS: DeviceTraits = {
  f16: false,
  subgroups: undefined,
  packedDot: true,
  maxInvocations: 256,
  maxSharedBytes: 16_384,
  maxWorkgroups: 65_535,
  maxStorageBuffers: 8,
  maxBindingBytes: 2 ** 27,
};

interface Wanted {
  readonly type?: string;
  readonly activations?: 'f32' | 'q8';
  readonly packedDot?: boolean;
  readonly rows?: number;
}

function dispatches({ type = 'Q4_0', activations = 'q8', packedDot = true, rows = 1 }: Wanted) {
  const op: ProductOp = {
    ...{ kind: 'product', out: 'y', x: 'x', columns: 64, activations },
    matrices: [{ weight: 'w', rows: 12 }],
  };
  const part = { firstRow: 0, rows: 12, planes: new Map() };
  const weights = { matrix: () => ({ type, parts: [part] }) } as unknown as StageContext['weights'];
  const context = { traits: { ...TRAITS, packedDot }, weights } as StageContext;
  const found = productDispatches(op, rows, context);
  for (const place of found.flatMap(({ places }) => Object.values(places))) {
    const isKnown = 'value' in place && ['x', 'y', ...productTemps(op).keys()].includes(place.value);
    assert.ok(isKnown, JSON.stringify(place));
  }
  return found.map(({ kernel }) => kernel.label.split(/ \d/)[0]);
}

test('activations of 8 bits are packed for few tokens and weights of integers, where the device multiplies four at once', () => {
  assert.deepEqual(dispatches({}), ['quantize activations', 'product Q4_0']);
  assert.deepEqual(dispatches({ rows: 8 }), ['quantize activations', 'product Q4_0']);
});

test('else they are rounded, or what they were', () => {
  assert.deepEqual(dispatches({ packedDot: false }), ['round activations', 'product Q4_0']);
  assert.deepEqual(dispatches({ type: 'F16' }), ['round activations', 'product F16']);
  assert.equal(dispatches({ rows: Infinity })[0], 'round activations');
  assert.deepEqual(dispatches({ activations: 'f32' }), ['product Q4_0']);
});
