import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tinyWeights } from '../../../test/tiny-model.ts';
import { buildProgram } from '../../program/build-program.ts';
import { fusedOps, outOf, plainOps, readsOf } from './plan-ops.ts';

const BINDING = 128 << 20;
const program = buildProgram(tinyWeights().head);

test('a layer is six ops: q/k/v with the norm, rope with append, attention, output, gate and up with the norm, down', () => {
  const { ops, stacks } = fusedOps(program, BINDING);
  const kinds = ops.map((op) => (op.kind === 'plain' ? op.op.op : op.kind));
  const layer = ['product', 'ropeAppend', 'attend', 'product', 'product', 'product'];
  assert.deepEqual(kinds, [
    'embed',
    ...program.state.flatMap(() => layer),
    ...['takeRows', 'rmsNorm', 'product', 'sample'],
  ]);
  const [qkv, output, gated, down] = ops.filter((op) => op.kind === 'product');
  assert.ok(qkv?.norm && qkv.matrices.length === 1 && output?.residual && gated?.norm && gated.gate && down?.residual);
  assert.equal(stacks.length, 2 * program.state.length);
});

test('every value is made before it is read, and the outputs of the Program are made', () => {
  for (const { ops } of [fusedOps(program, BINDING), plainOps(program)]) {
    const made = new Set(program.inputs);
    for (const op of ops) {
      for (const name of readsOf(op)) assert.ok(made.has(name), name);
      const out = outOf(op);
      if (out !== undefined) made.add(out);
    }
    for (const name of program.outputs) assert.ok(made.has(name), name);
  }
});

test('weights that do not fit into one binding together stay apart', () => {
  const { ops, stacks } = fusedOps(program, 1024);
  assert.equal(stacks.length, 0);
  const [qkv] = ops.filter((op) => op.kind === 'product');
  assert.equal(qkv?.matrices.length, 3);
});
