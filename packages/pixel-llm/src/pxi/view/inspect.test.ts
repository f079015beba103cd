import assert from 'node:assert/strict';
import { test } from 'node:test';
import { floatSource, madeBytes } from '../../../test/render-source.ts';
import { MemoryByteSource } from '../../core/byte-source.ts';
import type { Metadata, MetadataValue } from '../../gguf/head.ts';
import { openWeights } from '../open-weights.ts';
import { inspectModel } from './inspect.ts';
import { formatCount, formatTypeMix, typeMix } from './inspect-mix.ts';

function metadataOf(entries: Record<string, MetadataValue>): Metadata {
  return new Map(Object.entries(entries));
}

test('a made model is described: shape, vocabulary, types, layers with their tensors', async () => {
  const bytes = await madeBytes({ shape: 'toy', type: 'Q8_0', seed: 1 });
  const report = inspectModel(await openWeights(new MemoryByteSource(bytes)));
  assert.equal(report.format, 'gguf');
  assert.equal(report.architecture, 'llama');
  assert.equal(report.weights, 853_120);
  assert.deepEqual([report.hyperParameters.block_count, report.hyperParameters['attention.head_count_kv']], [4, 2]);
  assert.equal(report.hyperParameters['attention.layer_norm_rms_epsilon'], 0.00001);
  assert.deepEqual(report.tokenizer?.special.bos, { id: 1, text: '<|im_start|>' });
  assert.deepEqual([report.tokenizer?.vocabulary, report.tokenizer?.preTokenizer], [512, 'smollm']);
  assert.ok((report.tokenizer?.chatTemplate ?? 0) > 50);
  assert.deepEqual(
    report.layers.map(({ id, tensors }) => [id, tensors.length]),
    [
      ['embedding', 1],
      ['layer.0', 9],
      ['layer.1', 9],
      ['layer.2', 9],
      ['layer.3', 9],
      ['output', 1],
    ],
  );
  const sum = (of: (layer: (typeof report.layers)[number]) => number) =>
    report.layers.reduce((total, layer) => total + of(layer), 0);
  assert.equal(
    sum(({ weights }) => weights),
    report.weights,
  );
  assert.equal(
    sum(({ bytes: size }) => size),
    report.bytes,
  );
  const query = report.layers[1]?.tensors[1];
  assert.deepEqual(
    [query?.name, query?.role, query?.type, query?.bytes],
    ['blk.0.attn_q.weight', 'attention query', 'Q8_0', 17_408],
  );
  assert.equal(query?.fileSpace, undefined);
});

test('a report survives JSON, whatever the metadata hold', async () => {
  const source = await floatSource(
    [{ name: 'w', columns: 2, rows: 2, value: () => 0 }],
    metadataOf({
      'general.architecture': { type: 'string', value: 'odd' },
      'odd.big': { type: 'uint64', value: 2n ** 63n },
      'odd.small': { type: 'int64', value: -5n },
      'odd.nan': { type: 'float32', value: Number.NaN },
      'odd.list': { type: 'array', itemType: 'int32', value: Int32Array.of(1, 2) },
      'odd.flags': { type: 'array', itemType: 'bool', value: [true, false] },
      'odd.long': { type: 'array', itemType: 'int32', value: new Int32Array(1000) },
      'odd.__proto__': { type: 'string', value: 'x' },
    }),
  );
  const report = inspectModel(source);
  assert.deepEqual(JSON.parse(JSON.stringify(report)).hyperParameters, report.hyperParameters);
  assert.deepEqual(
    { ...report.hyperParameters },
    Object.fromEntries([
      ['big', '9223372036854775808'],
      ['small', -5],
      ['nan', 'NaN'],
      ['list', [1, 2]],
      ['flags', [true, false]],
      ['__proto__', 'x'],
    ]),
  );
  assert.equal(report.tokenizer, undefined);
});

test('a vocabulary without weights has no layers', async () => {
  const report = inspectModel(
    await floatSource([], metadataOf({ 'tokenizer.ggml.model': { type: 'string', value: 'gpt2' } })),
  );
  assert.deepEqual([report.weights, report.layers.length, report.tokenizer?.vocabulary], [0, 0, 0]);
});

test('shares of types are written so that a little never reads as nothing, nor nearly all as all', () => {
  const mix = (few: number) =>
    formatTypeMix([
      { type: 'A', tensors: 1, weights: 1e6 - few, bytes: 0 },
      { type: 'B', tensors: 1, weights: few, bytes: 0 },
    ]);
  assert.equal(mix(1), 'A > 99.9 %, B < 0.1 %');
  assert.equal(mix(250_000), 'A 75.0 %, B 25.0 %');
  assert.equal(formatTypeMix(typeMix([])), '');
  assert.deepEqual([999, 65_536, 853_120, 134_515_008, 7_615_616_512].map(formatCount), [
    '999',
    '65.5 k',
    '853 k',
    '135 M',
    '7.62 G',
  ]);
});
