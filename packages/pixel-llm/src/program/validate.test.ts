import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isPixelError } from '../core/errors.ts';
import type { Op, Program } from './program.ts';
import { validateProgram } from './validate.ts';

/** x [tokens, 4] -> attention over one head and one cache, a product, a norm. */
const GOOD: Program = {
  formatVersion: 1,
  architecture: 'test',
  vocab: 6,
  contextLength: 16,
  weights: [
    { name: 'table', shape: [6, 4], type: 'F32' },
    { name: 'gain', shape: [2], type: 'F32' },
  ],
  state: [{ name: 'kv', kvHeads: 1, headDim: 4 }],
  values: [
    { name: 'tokens', shape: ['tokens'], type: 'i32' },
    { name: 'x', shape: ['tokens', 4] },
    { name: 'attended', shape: ['tokens', 4] },
    { name: 'normed', shape: ['tokens', 4] },
    { name: 'kept', shape: ['outputs', 4] },
    { name: 'logits', shape: ['outputs', 6] },
    { name: 'sampled', shape: ['outputs'], type: 'i32' },
  ],
  ops: [
    { op: 'embed', in: ['tokens'], weights: ['table'], out: 'x', attributes: {} },
    {
      op: 'attention',
      in: ['x', 'x', 'x'],
      weights: [],
      out: 'attended',
      attributes: { state: 'kv', heads: 1, kvHeads: 1, headDim: 4, scale: 0.5 },
    },
    { op: 'rmsNorm', in: ['attended'], weights: ['gain'], out: 'normed', attributes: { epsilon: 0, size: 2 } },
    { op: 'takeRows', in: ['normed'], weights: [], out: 'kept', attributes: {} },
    { op: 'matmul', in: ['kept'], weights: ['table'], out: 'logits', attributes: { activations: 'f32' } },
    { op: 'sample', in: ['logits'], weights: [], out: 'sampled', attributes: {} },
  ],
  inputs: ['tokens'],
  outputs: ['logits', 'sampled'],
};

/** The Program with one op changed. */
function withOp(index: number, change: object): Program {
  return { ...GOOD, ops: GOOD.ops.map((op, i) => (i === index ? ({ ...op, ...change } as Op) : op)) };
}

function assertBad(candidate: unknown, message: RegExp): void {
  assert.throws(
    () => validateProgram(candidate),
    (error) => {
      assert.ok(isPixelError(error, 'bad-program'), String(error));
      assert.match(error.message, message);
      return true;
    },
  );
}

test('a sound Program passes as it is', () => {
  assert.deepEqual(validateProgram(GOOD), GOOD);
});

test('what is not a Program at all is refused with the place that is wrong', () => {
  for (const nonsense of [null, 7, 'Program', [], {}]) assertBad(nonsense, /Not a Program/);
  assertBad({ ...GOOD, formatVersion: 2 }, /formatVersion/);
  assertBad({ ...GOOD, extra: 1 }, /extra/);
  assertBad(withOp(0, { op: 'explode' }), /ops\.0/);
  assertBad(withOp(2, { attributes: { epsilon: Number.NaN, size: 2 } }), /ops\.2\.attributes\.epsilon/);
  assertBad(withOp(2, { attributes: { epsilon: 0 } }), /ops\.2\.attributes\.size/);
  assertBad(withOp(4, { attributes: { activations: 'q4' } }), /activations/);
  assertBad({ ...GOOD, values: [...GOOD.values, { name: 'y', shape: [0] }] }, /values\.7/);
});

test('names that stand for nothing are named', () => {
  assertBad(withOp(0, { in: ['token'] }), /Op 0 \(embed\) names a value "token"/);
  assertBad(withOp(0, { weights: ['tabel'] }), /weight "tabel"/);
  assertBad(withOp(3, { out: 'nowhere' }), /value "nowhere"/);
  assertBad({ ...GOOD, outputs: ['nowhere'] }, /list of outputs/);
  assertBad({ ...GOOD, inputs: ['nowhere'] }, /list of inputs/);
  assertBad(withOp(1, { attributes: { state: 'cache', heads: 1, kvHeads: 1, headDim: 4, scale: 1 } }), /state "cache"/);
});

test('a value is written once, and before it is read', () => {
  assertBad({ ...GOOD, ops: GOOD.ops.slice(1) }, /reads "x" before it is written/);
  assertBad({ ...GOOD, ops: [...GOOD.ops, GOOD.ops[0]!] }, /writes "x" a second time/);
  assertBad({ ...GOOD, inputs: ['tokens', 'x'] }, /a second time/);
  assertBad({ ...GOOD, inputs: ['tokens', 'tokens'] }, /a second time/);
  assertBad({ ...GOOD, ops: GOOD.ops.slice(0, 5) }, /list of outputs reads "sampled"/);
});

test('names are declared once', () => {
  assertBad({ ...GOOD, weights: [...GOOD.weights, GOOD.weights[0]] }, /"table" is declared twice/);
  assertBad({ ...GOOD, values: [...GOOD.values, GOOD.values[0]] }, /"tokens" is declared twice/);
  assertBad({ ...GOOD, state: [...GOOD.state, GOOD.state[0]] }, /"kv" is declared twice/);
});

test('shapes and types that do not fit an op are refused', () => {
  const reshape = (name: string, shape: unknown): unknown => ({
    ...GOOD,
    values: GOOD.values.map((value) => (value.name === name ? { ...value, shape } : value)),
  });
  assertBad(reshape('x', ['tokens', 5]), /to write f32 \[tokens, 4\]/);
  assertBad(reshape('x', ['outputs', 4]), /Op 0/);
  assertBad(reshape('logits', ['outputs', 7]), /Op 4/);
  assertBad(reshape('kept', ['tokens', 4]), /Op 3/);
  assertBad(withOp(0, { in: ['tokens', 'tokens'] }), /inputs of types i32/);
  assertBad(withOp(4, { in: ['tokens'] }), /inputs of types f32/);
  assertBad(withOp(4, { weights: [] }), /1 to 2 weights/);
  assertBad(withOp(4, { weights: ['gain'] }), /a matrix with as many columns/);
  assertBad(withOp(4, { weights: ['table', 'gain'] }), /a bias/);
  assertBad(withOp(2, { attributes: { epsilon: 0, size: 3 } }), /rows of whole groups/);
  assertBad(withOp(2, { attributes: { epsilon: 0, size: 4 } }), /a gain/);
  const attention = { state: 'kv', heads: 1, kvHeads: 1, headDim: 4, scale: 1 };
  assertBad(withOp(1, { attributes: { ...attention, heads: 2 } }), /queries \[tokens, heads x headDim\]/);
  assertBad(withOp(1, { attributes: { ...attention, headDim: 2 } }), /a state "kv"/);
});

test('two attention ops cannot share a cache', () => {
  const again = { ...GOOD.ops[1]!, out: 'again' };
  const values = [...GOOD.values, { name: 'again', shape: ['tokens', 4] }];
  assertBad({ ...GOOD, values, ops: [...GOOD.ops, again] }, /a state of its own/);
});

test('ops over pairs and positions check the shapes of all operands', () => {
  const run = (op: object, values: object[]): unknown => ({
    ...GOOD,
    weights: [{ name: 'factors', shape: [2], type: 'F32' }],
    state: [],
    values: [...values, { name: 'out', shape: ['tokens', 4] }],
    ops: [{ weights: [], out: 'out', attributes: {}, ...op }],
    inputs: values.map((value) => (value as { name: string }).name),
    outputs: [],
  });
  const x = { name: 'x', shape: ['tokens', 4] };
  const positions = { name: 'p', shape: ['tokens'], type: 'i32' };
  const rope = { rotaryDim: 4, headDim: 4, frequencyBase: 10_000, pairing: 'halves', linearFactor: 1 };
  const ropeOp = { op: 'rope', in: ['x', 'p'], attributes: rope };
  validateProgram(run(ropeOp, [x, positions]));
  validateProgram(run({ ...ropeOp, weights: ['factors'] }, [x, positions]));
  assertBad(run({ ...ropeOp, attributes: { ...rope, rotaryDim: 3 } }, [x, positions]), /rotaryDim/);
  assertBad(run({ ...ropeOp, attributes: { ...rope, headDim: 3 } }, [x, positions]), /whole heads/);
  assertBad(run({ ...ropeOp, weights: ['factors'], attributes: { ...rope, rotaryDim: 2 } }, [x, positions]), /factor/);
  assertBad(run(ropeOp, [x, { ...positions, shape: ['outputs'] }]), /one position a row/);
  validateProgram(run({ op: 'add', in: ['x', 'x'] }, [x]));
  assertBad(run({ op: 'add', in: ['x', 'y'] }, [x, { name: 'y', shape: ['tokens', 5] }]), /same shape/);
  assertBad(run({ op: 'crossEntropy', in: ['x', 'p'] }, [x, { ...positions, shape: ['outputs'] }]), /one target a row/);
});

test('no JSON makes validation fail in any other way', () => {
  const paths = fc.constantFrom('ops', 'values', 'weights', 'state', 'inputs', 'outputs', 'vocab', 'formatVersion');
  fc.assert(
    fc.property(paths, fc.jsonValue(), (path, value) => {
      try {
        validateProgram({ ...GOOD, [path]: value });
      } catch (error) {
        assert.ok(isPixelError(error, 'bad-program'), String(error));
      }
    }),
  );
});
