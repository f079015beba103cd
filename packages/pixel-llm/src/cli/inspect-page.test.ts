import assert from 'node:assert/strict';
import { test } from 'node:test';
import { floatSource, madeBytes } from '../../test/render-source.ts';
import { MemoryByteSource } from '../core/byte-source.ts';
import type { MetadataValue } from '../gguf/head.ts';
import { openWeights } from '../pxi/open-weights.ts';
import { inspectModel } from '../pxi/view/inspect.ts';
import { formatReport } from './inspect-page.ts';

test('the page of a model lists its facts and its layers, and with tensors what each one does', async () => {
  const bytes = await madeBytes({ shape: 'toy', type: 'Q4_0', seed: 1 });
  const report = inspectModel(await openWeights(new MemoryByteSource(bytes, 'toy.gguf')));
  const page = formatReport(report);
  for (const text of [
    'toy.gguf, GGUF',
    '853 k (853,120) in 38 tensors',
    '4 heads, 2 key/value heads',
    'byte-level BPE (smollm), 512 tokens',
    'layer.3',
  ]) {
    assert.ok(page.includes(text), text);
  }
  assert.ok(!page.includes('attn_q'));
  assert.match(
    formatReport(report, { tensors: true }),
    /blk\.2\.attn_q\.weight +attention query +16\.4 k .* Q4_0 128 x 128/,
  );
});

test('what a file says cannot move the cursor, colour the terminal or add lines to the page', async () => {
  const evil = 'a\u001b[31m\u202eb\nfile   /etc/passwd\u009b2J';
  const text = (value: string): MetadataValue => ({ type: 'string', value });
  const metadata = new Map([
    ['general.name', text(evil)],
    ['general.architecture', text(evil)],
    ['general.license', text(evil)],
    [`${evil}.key\n`, text(evil)],
    ['tokenizer.ggml.model', text(evil)],
  ]);
  const source = await floatSource([{ name: evil, columns: 2, rows: 2, value: () => 0 }], metadata);
  const page = formatReport(inspectModel(source), { tensors: true });
  assert.doesNotMatch(page.replaceAll('\n', ''), /[\p{Cc}\p{Cf}]/u);
  assert.ok(!page.split('\n').some((line) => line.trim().startsWith('file   /etc')));
});

test('a vocabulary alone says so', async () => {
  assert.match(formatReport(inspectModel(await floatSource([]))), /weights +none: a vocabulary only/);
});
