/** What threads own of a decoder, and how often they have to meet. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tinyWeights } from '../../../test/tiny-model.ts';
import { buildProgram } from '../../program/build-program.ts';
import { planThreads } from './thread-plan.ts';

const program = buildProgram(tinyWeights().head);

void test('one thread exchanges nothing', () => {
  const { steps, columnCuts } = planThreads(program, 1);
  assert.deepEqual(
    steps.map((step) => step.kind === 'op' && step.op),
    program.ops,
  );
  assert.equal(columnCuts.size, 0);
});

void test('threads that share key/value heads evenly meet four times a layer, and once for the embedding', () => {
  const { steps, headCuts } = planThreads(program, 2);
  const exchanged = steps.flatMap((step) => (step.kind === 'op' ? [] : [step.value]));
  const layer = (index: number) =>
    ['attention', 'attn_output', 'ffn_gated', 'ffn_down'].map((name) => `blk.${index}.${name}`);
  assert.deepEqual(exchanged, ['embedding', ...layer(0), ...layer(1)]);
  assert.deepEqual(headCuts.get('blk.0.kv'), {
    heads: [0, 2, 4],
    kvHeads: [
      [0, 1],
      [1, 2],
    ],
  });
});

void test('more threads than key/value heads share the query heads out, and keep the key/value heads these read', () => {
  const { headCuts, rowCuts } = planThreads(program, 3);
  assert.deepEqual(headCuts.get('blk.0.kv'), {
    heads: [0, 1, 2, 4],
    kvHeads: [
      [0, 1],
      [0, 1],
      [1, 2],
    ],
  });
  assert.deepEqual(rowCuts.get('blk.0.ffn_up.weight'), [0, 16, 32, 48]);
});

void test('every row and every query head belongs to one thread, however many there are', () => {
  for (let threads = 1; threads <= 70; threads++) {
    const { rowCuts, headCuts } = planThreads(program, threads);
    for (const [name, cuts] of rowCuts) {
      const rows = program.weights.find((weight) => weight.name === name)?.shape[0];
      assert.deepEqual([cuts.length, cuts[0], cuts.at(-1)], [threads + 1, 0, rows]);
      assert.ok(cuts.every((cut, i) => cut >= (cuts[i - 1] ?? 0)));
    }
    for (const { heads } of headCuts.values()) assert.deepEqual([heads[0], heads.at(-1)], [0, 4]);
  }
});
