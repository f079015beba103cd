import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPixelError, type PixelErrorCode } from '../core/errors.ts';
import type { MetadataValue, TensorInfo } from '../gguf/head.ts';
import { tensorTypeByName } from '../gguf/tensor-types.ts';
import type { WeightHead } from '../pxi/weight-source.ts';
import { buildProgram } from './build-program.ts';
import type { OpName, OpOf, Program } from './program.ts';
import { validateProgram } from './validate.ts';

const code = (expected: PixelErrorCode, message?: RegExp) => (error: unknown) => {
  assert.ok(isPixelError(error, expected), String(error));
  if (message) assert.match(error.message, message);
  return true;
};

/** Two layers, 64 wide, 4 query heads over 2 key/value heads of 16. Numbers and strings become metadata; null takes a key out. */
function head(
  architecture: string,
  changes: Record<string, number | string | null> = {},
): WeightHead & { tensors: Map<string, TensorInfo> } {
  const entries: Record<string, number | string | null> = {
    'general.architecture': architecture,
    [`${architecture}.block_count`]: 2,
    [`${architecture}.embedding_length`]: 64,
    [`${architecture}.feed_forward_length`]: 96,
    [`${architecture}.attention.head_count`]: 4,
    [`${architecture}.attention.head_count_kv`]: 2,
    [`${architecture}.context_length`]: 2048,
    [`${architecture}.attention.layer_norm_rms_epsilon`]: 1e-6,
    ...Object.fromEntries(Object.entries(changes).map(([key, value]) => [key.replace('ARCH', architecture), value])),
  };
  const metadata = new Map<string, MetadataValue>();
  for (const [key, value] of Object.entries(entries)) {
    if (value !== null) metadata.set(key, { type: typeof value === 'string' ? 'string' : 'float64', value });
  }
  return { metadata, tensors: modelTensors() };
}

function modelTensors(): Map<string, TensorInfo> {
  const tensors = new Map<string, TensorInfo>();
  addTensor(tensors, 'token_embd.weight', [64, 100], 'Q8_0');
  for (const layer of ['blk.0', 'blk.1']) {
    for (const norm of ['attn_norm', 'ffn_norm']) addTensor(tensors, `${layer}.${norm}.weight`, [64]);
    addTensor(tensors, `${layer}.attn_q.weight`, [64, 64], 'Q8_0');
    addTensor(tensors, `${layer}.attn_k.weight`, [64, 32], 'F16');
    addTensor(tensors, `${layer}.attn_v.weight`, [64, 32]);
    addTensor(tensors, `${layer}.attn_output.weight`, [64, 64]);
    addTensor(tensors, `${layer}.ffn_gate.weight`, [64, 96]);
    addTensor(tensors, `${layer}.ffn_up.weight`, [64, 96]);
    addTensor(tensors, `${layer}.ffn_down.weight`, [96, 64]);
  }
  addTensor(tensors, 'output_norm.weight', [64]);
  return tensors;
}

function addTensor(tensors: Map<string, TensorInfo>, name: string, dimensions: number[], typeName = 'F32'): void {
  const type = tensorTypeByName(typeName);
  assert.ok(type);
  tensors.set(name, { name, type, dimensions, byteLength: 0 });
}

function opsOf<Name extends OpName>(program: Program, name: Name): OpOf<Name>[] {
  return program.ops.filter((op): op is OpOf<Name> => op.op === name);
}

test('a llama is embedding, layers, last norm, logits, sampling', () => {
  const program = buildProgram(head('llama'));
  assert.deepEqual([program.vocab, program.contextLength, program.state.length], [100, 2048, 2]);
  const layer =
    'rmsNorm matmul matmul matmul rope rope attention matmul add rmsNorm matmul matmul gatedSilu matmul add';
  assert.equal(program.ops.map(({ op }) => op).join(' '), `embed ${layer} ${layer} takeRows rmsNorm matmul sample`);
  assert.deepEqual(
    [program.inputs, program.outputs],
    [
      ['tokens', 'positions'],
      ['logits', 'sampled', 'hidden'],
    ],
  );
  const [rope] = opsOf(program, 'rope');
  assert.deepEqual(rope?.attributes, {
    rotaryDim: 16,
    headDim: 16,
    frequencyBase: 10_000,
    linearFactor: 1,
    pairing: 'adjacent',
  });
});

test('every architecture makes a Program that validates, survives JSON, and holds no function', () => {
  for (const architecture of ['llama', 'qwen2', 'qwen3']) {
    const model = head(architecture, {
      'ARCH.attention.sliding_window': 8,
      'ARCH.rope.scaling.type': 'yarn',
      'ARCH.rope.scaling.factor': 4,
    });
    if (architecture === 'qwen3') addHeadNorms(model.tensors, 16);
    const program = buildProgram(model);
    const read: unknown = JSON.parse(JSON.stringify(program));
    assert.deepEqual(read, program);
    assert.deepEqual(validateProgram(read), program);
  }
});

test('a model without an output matrix uses the embedding table twice', () => {
  const tied = buildProgram(head('llama'));
  assert.deepEqual(opsOf(tied, 'matmul').at(-1)?.weights, ['token_embd.weight']);
  const untied = head('llama');
  addTensor(untied.tensors, 'output.weight', [64, 100]);
  assert.deepEqual(opsOf(buildProgram(untied), 'matmul').at(-1)?.weights, ['output.weight']);
});

test('biases are used wherever the model has them', () => {
  const model = head('qwen2');
  addTensor(model.tensors, 'blk.1.attn_q.bias', [64]);
  const products = opsOf(buildProgram(model), 'matmul');
  assert.deepEqual(
    products.filter(({ weights }) => weights.length === 2).map(({ weights }) => weights[1]),
    ['blk.1.attn_q.bias'],
  );
});

test('qwen models turn the halves of a head; qwen3 normalizes its heads first', () => {
  assert.equal(opsOf(buildProgram(head('qwen2')), 'rope')[0]?.attributes.pairing, 'halves');
  const model = head('qwen3');
  assert.throws(() => buildProgram(model), code('unknown-tensor', /attn_q_norm/));
  addHeadNorms(model.tensors, 16);
  const [, norm] = opsOf(buildProgram(model), 'rmsNorm');
  assert.deepEqual([norm?.weights, norm?.attributes.size], [['blk.0.attn_q_norm.weight'], 16]);
});

test('a head size of its own is taken from the metadata', () => {
  const model = head('llama', {
    'ARCH.attention.key_length': 32,
    'ARCH.attention.head_count': 2,
    'ARCH.attention.head_count_kv': 1,
  });
  const [attention] = opsOf(buildProgram(model), 'attention');
  assert.deepEqual([attention?.attributes.headDim, attention?.attributes.scale], [32, 1 / Math.sqrt(32)]);
});

test('only products with block-quantized weights round their activations', () => {
  const program = buildProgram(head('llama'), { activations: 'q8' });
  const modes = opsOf(program, 'matmul').map(({ weights, attributes }) => `${weights[0]} ${attributes.activations}`);
  assert.deepEqual(modes.slice(0, 3), ['blk.0.attn_q.weight q8', 'blk.0.attn_k.weight f32', 'blk.0.attn_v.weight f32']);
});

test('rope scaling is read in every form that files have', () => {
  const ropeOf = (changes: Record<string, number | string>): unknown => {
    const { linearFactor, yarn } = opsOf(buildProgram(head('llama', changes)), 'rope')[0]!.attributes;
    return yarn ?? linearFactor;
  };
  assert.equal(ropeOf({ 'ARCH.rope.scaling.type': 'linear', 'ARCH.rope.scaling.factor': 4 }), 4);
  assert.equal(ropeOf({ 'ARCH.rope.scaling.factor': 4 }), 4);
  assert.equal(ropeOf({ 'ARCH.rope.scale_linear': 2 }), 2);
  assert.equal(ropeOf({ 'ARCH.rope.scaling.type': 'none', 'ARCH.rope.scaling.factor': 4 }), 1);
  assert.equal(ropeOf({ 'ARCH.rope.scaling.factor': 0 }), 1);
  const yarn = {
    'ARCH.rope.scaling.type': 'yarn',
    'ARCH.rope.scaling.factor': 4,
    'ARCH.rope.scaling.original_context_length': 512,
  };
  assert.deepEqual(ropeOf(yarn), {
    factor: 4,
    originalContext: 512,
    extrapolation: 1,
    attention: 1,
    betaFast: 32,
    betaSlow: 1,
  });
  // Files write a negative factor for "as usual".
  assert.deepEqual(ropeOf({ ...yarn, 'ARCH.rope.scaling.yarn_ext_factor': -1 }), ropeOf(yarn));
  assert.throws(() => ropeOf({ 'ARCH.rope.scaling.type': 'longrope' }), code('bad-metadata', /longrope/));
});

test("Llama 3's frequency factors reach every rope op", () => {
  const model = head('llama');
  addTensor(model.tensors, 'rope_freqs.weight', [8]);
  for (const { weights } of opsOf(buildProgram(model), 'rope')) assert.deepEqual(weights, ['rope_freqs.weight']);
});

test('a sliding window that hides nothing is left out', () => {
  const windowOf = (window: number): number | undefined =>
    opsOf(buildProgram(head('llama', { 'ARCH.attention.sliding_window': window })), 'attention')[0]?.attributes.window;
  assert.deepEqual([windowOf(0), windowOf(128), windowOf(2048)], [undefined, 128, undefined]);
});

test('an unknown architecture is refused by an error that lists the known ones', () => {
  for (const name of ['gpt-j', 'constructor', '__proto__', '']) {
    assert.throws(() => buildProgram(head(name)), code('unknown-architecture', /llama, qwen2, qwen3/));
  }
});

test('a variant that would be computed wrongly is refused', () => {
  assert.throws(() => buildProgram(head('llama', { 'ARCH.expert_count': 8 })), code('unknown-architecture', /mixture/));
  const model = head('llama');
  addHeadNorms(model.tensors, 16);
  assert.throws(() => buildProgram(model), code('unknown-architecture', /attn_q_norm/));
});

test('a vocabulary without weights is refused in one sentence', () => {
  const model = head('llama');
  model.tensors.clear();
  assert.throws(() => buildProgram(model), code('unknown-tensor', /vocabulary only/));
});

test('hyper-parameters that are missing, of a wrong type, absurd or contradictory are named', () => {
  const cases: [Record<string, number | string | null>, PixelErrorCode, RegExp][] = [
    [{ 'general.architecture': null }, 'bad-metadata', /general\.architecture/],
    [{ 'ARCH.block_count': null }, 'bad-metadata', /llama\.block_count/],
    [{ 'ARCH.block_count': 'two' }, 'bad-metadata', /llama\.block_count.*a number/],
    [{ 'ARCH.block_count': 1e9 }, 'limit-exceeded', /block_count/],
    [{ 'ARCH.block_count': 3 }, 'unknown-tensor', /blk\.2/],
    [{ 'ARCH.block_count': 1 }, 'unknown-architecture', /blk\.1/],
    [{ 'ARCH.block_count': 1.5 }, 'bad-metadata', /whole number/],
    [{ 'ARCH.embedding_length': 0 }, 'bad-metadata', /embedding_length/],
    [{ 'ARCH.embedding_length': Number.NaN }, 'bad-metadata', /finite/],
    [{ 'ARCH.embedding_length': 128 }, 'bad-metadata', /token_embd/],
    [{ 'ARCH.attention.head_count': 0 }, 'bad-metadata', /head_count/],
    [{ 'ARCH.attention.head_count': 3 }, 'bad-metadata', /key_length/],
    [{ 'ARCH.attention.head_count_kv': 3 }, 'bad-metadata', /divide the 4 query heads/],
    [{ 'ARCH.attention.head_count_kv': 1 }, 'bad-metadata', /attn_k/],
    [{ 'ARCH.attention.value_length': 8 }, 'bad-metadata', /value_length/],
    [{ 'ARCH.attention.layer_norm_rms_epsilon': 0 }, 'bad-metadata', /above 0/],
    [{ 'ARCH.context_length': -1 }, 'bad-metadata', /context_length/],
    [{ 'ARCH.rope.dimension_count': 15 }, 'bad-metadata', /even/],
    [{ 'ARCH.rope.dimension_count': 18 }, 'bad-metadata', /at most the head size 16/],
    [{ 'ARCH.rope.freq_base': 1 }, 'bad-metadata', /freq_base/],
    [{ 'ARCH.rope.scaling.factor': -2 }, 'bad-metadata', /factor/],
    [{ 'ARCH.attention.sliding_window': 1.5 }, 'bad-metadata', /sliding_window/],
  ];
  for (const [changes, expected, message] of cases) {
    assert.throws(() => buildProgram(head('llama', changes)), code(expected, message), JSON.stringify(changes));
  }
});

test('a tokenizer with more tokens than the embedding table is refused', () => {
  const model = head('llama');
  const tokens: MetadataValue = { type: 'array', itemType: 'string', value: new Array<string>(101).fill('a') };
  const metadata = new Map(model.metadata).set('tokenizer.ggml.tokens', tokens);
  assert.throws(() => buildProgram({ ...model, metadata }), code('bad-metadata', /101 tokens/));
});

function addHeadNorms(tensors: Map<string, TensorInfo>, size: number): void {
  for (const layer of ['blk.0', 'blk.1']) {
    for (const norm of ['attn_q_norm', 'attn_k_norm']) addTensor(tensors, `${layer}.${norm}.weight`, [size]);
  }
}
