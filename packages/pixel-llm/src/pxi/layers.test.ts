import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TensorInfo } from '../gguf/head.ts';
import { tensorTypeByName } from '../gguf/tensor-types.ts';
import { groupLayers, shortTensorName, tensorRole } from './layers.ts';

function tensors(...names: string[]): TensorInfo[] {
  const type = tensorTypeByName('F32');
  assert.ok(type);
  return names.map((name) => ({ name, type, dimensions: [4, 4], byteLength: 64 }));
}

test('layers come in the order embedding, numbered layers, output, others, whatever the order of the file', () => {
  const layers = groupLayers(
    tensors('output.weight', 'rope_freqs.weight', 'blk.10.attn_q.weight', 'blk.2.attn_q.weight', 'token_embd.weight'),
  );
  assert.deepEqual(
    layers.map(({ id, role }) => [id, role]),
    [
      ['embedding', 'embedding'],
      ['layer.2', 'layer'],
      ['layer.10', 'layer'],
      ['output', 'output'],
      ['other', 'other'],
    ],
  );
});

test('tensors of a layer come in the order of the forward pass, a bias after its weight, unknown kinds last', () => {
  const [layer] = groupLayers(
    tensors(
      'blk.0.strange',
      'blk.0.ffn_down.weight',
      'blk.0.attn_q.bias',
      'blk.0.attn_v.weight',
      'blk.0.attn_q.weight',
      'blk.0.attn_norm.weight',
    ),
  );
  assert.deepEqual(layer?.tensors, [
    'blk.0.attn_norm.weight',
    'blk.0.attn_q.weight',
    'blk.0.attn_q.bias',
    'blk.0.attn_v.weight',
    'blk.0.ffn_down.weight',
    'blk.0.strange',
  ]);
});

test('every tensor is in exactly one layer', () => {
  const names = ['a', 'blk.1.x', 'blk.99999999.y', 'output_norm.weight', 'blk.1.attn_k.weight', '__proto__', ''];
  const grouped = groupLayers(tensors(...names)).flatMap((layer) => layer.tensors);
  assert.deepEqual(grouped.toSorted(), names.toSorted());
});

test('a tensor is described in words', () => {
  assert.equal(tensorRole('blk.7.attn_q.weight'), 'attention query');
  assert.equal(tensorRole('blk.7.attn_q.bias'), 'attention query (bias)');
  assert.equal(tensorRole('blk.7.some_thing.weight'), 'some thing');
  assert.equal(shortTensorName('blk.7.ffn_up.weight'), 'ffn_up');
  assert.equal(shortTensorName('blk.7.attn_k.bias'), 'attn_k.bias');
});
