import assert from 'node:assert/strict';
import { test } from 'node:test';
import { madeTensors } from './make-model.ts';
import { MODEL_SHAPES, ropeFrequencyFactors, type ShapeName, shapedTensors } from './shapes.ts';

function parameters(name: ShapeName): number {
  return shapedTensors(MODEL_SHAPES[name])
    .filter((tensor) => tensor.name !== 'rope_freqs.weight')
    .reduce((sum, { dimensions }) => sum + dimensions.reduce((product, size) => product * size, 1), 0);
}

test('real shapes have the published number of parameters', () => {
  const published: Record<ShapeName, number | undefined> = {
    toy: undefined,
    'smollm-135m': 134_515_008,
    'qwen2.5-0.5b': 494_032_768,
    'llama3.2-1b': 1_235_814_400,
    'qwen2.5-1.5b': 1_543_714_304,
    'qwen2.5-7b': 7_615_616_512,
  };
  for (const [name, count] of Object.entries(published)) {
    if (count !== undefined) assert.equal(parameters(name as ShapeName), count, name);
  }
});

test('the toy is smaller than 2 MB', () => {
  const bytes = madeTensors(MODEL_SHAPES.toy, 'Q8_0').reduce((sum, tensor) => sum + tensor.byteLength, 0);
  assert.ok(bytes < 2e6);
});

test('qwen2 has biases for query, key and value; llama has none; only the untied has an output matrix', () => {
  const names = (shape: ShapeName) => shapedTensors(MODEL_SHAPES[shape]).map(({ name }) => name);
  assert.equal(names('qwen2.5-0.5b').filter((name) => name.endsWith('.bias')).length, 3 * 24);
  assert.equal(names('smollm-135m').filter((name) => name.endsWith('.bias')).length, 0);
  assert.ok(names('qwen2.5-7b').includes('output.weight'));
  assert.ok(!names('qwen2.5-1.5b').includes('output.weight'));
  assert.ok(names('llama3.2-1b').includes('rope_freqs.weight'));
});

test('the rotary factors of Llama 3.2 are 1 for short waves, 32 for long ones, and rise between', () => {
  const factors = ropeFrequencyFactors(MODEL_SHAPES['llama3.2-1b']);
  assert.equal(factors.length, 32);
  assert.equal(factors[0], 1);
  assert.equal(factors.at(-1), 32);
  factors.forEach((factor, i) => {
    assert.ok(i === 0 || factor >= (factors[i - 1] ?? 0));
    // Wavelengths below 8192 / 4 positions are untouched, those above 8192 stretched in full.
    const wavelength = 2 * Math.PI * 500_000 ** (i / 32);
    if (wavelength < 2048) assert.equal(factor, 1);
    if (wavelength > 8192) assert.equal(factor, 32);
    if (wavelength > 2048 && wavelength < 8192) assert.ok(factor > 1 && factor < 32);
  });
});

test('types give way as in real files: vectors stay F32, K types need rows of 256, logits want 6 bits', () => {
  const typeOf = (shape: ShapeName, type: 'Q4_K' | 'Q6_K' | 'Q4_0' | 'Q8_0', name: string) =>
    madeTensors(MODEL_SHAPES[shape], type).find((tensor) => tensor.name === name)?.type.name;
  assert.equal(typeOf('qwen2.5-0.5b', 'Q4_K', 'blk.0.attn_norm.weight'), 'F32');
  assert.equal(typeOf('qwen2.5-0.5b', 'Q4_K', 'blk.0.attn_q.bias'), 'F32');
  assert.equal(typeOf('qwen2.5-0.5b', 'Q4_K', 'blk.0.attn_q.weight'), 'Q5_0');
  assert.equal(typeOf('qwen2.5-0.5b', 'Q6_K', 'blk.0.attn_q.weight'), 'Q8_0');
  assert.equal(typeOf('qwen2.5-0.5b', 'Q4_K', 'blk.0.ffn_down.weight'), 'Q4_K');
  assert.equal(typeOf('qwen2.5-0.5b', 'Q4_K', 'token_embd.weight'), 'Q8_0');
  assert.equal(typeOf('qwen2.5-1.5b', 'Q4_0', 'token_embd.weight'), 'Q6_K');
  assert.equal(typeOf('qwen2.5-7b', 'Q4_K', 'token_embd.weight'), 'Q4_K');
  assert.equal(typeOf('qwen2.5-7b', 'Q4_K', 'output.weight'), 'Q6_K');
  assert.equal(typeOf('qwen2.5-7b', 'Q8_0', 'output.weight'), 'Q8_0');
});
