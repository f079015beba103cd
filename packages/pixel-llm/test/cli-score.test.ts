import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { runCommand } from './command-line.ts';
import { tinyGguf } from './tiny-model.ts';

const folder = mkdtempSync(join(tmpdir(), 'pixel-llm-score-'));
const model = join(folder, 'tiny.gguf');
const text = join(folder, 'text.txt');
before(() => {
  writeFileSync(model, tinyGguf());
  writeFileSync(text, 'the cat sat on the mat');
});
after(() => rmSync(folder, { recursive: true, force: true }));

describe('pixel-llm score', { concurrency: 2 }, () => {
  test('--json writes one object: a position for each token, and the summary', async () => {
    const { code, stdout, stderr } = await runCommand([
      'score',
      model,
      '--token-ids',
      '1,40,41, 42',
      '--top',
      '5',
      '--json',
    ]);
    assert.equal(code, 0, stderr);
    const { positions, ...summary } = JSON.parse(stdout);
    assert.deepEqual(
      positions.map(({ token }: { token: number }) => token),
      [1, 40, 41, 42],
    );
    assert.equal(positions[0].logprob, null);
    let sum = 0;
    for (const { logprob } of positions.slice(1)) {
      assert.ok(logprob < 0);
      sum -= logprob;
    }
    for (const { top } of positions) {
      assert.equal(top.length, 5);
      assert.ok(top.every(([token, logprob]: [number, number]) => Number.isInteger(token) && logprob < 0));
    }
    assert.deepEqual([summary.tokens, summary.scored], [4, 3]);
    assert.ok(Math.abs(summary.meanNegativeLogLikelihood - sum / 3) < 1e-12);
    assert.ok(Math.abs(summary.perplexity - Math.exp(sum / 3)) < 1e-9);
    assert.deepEqual(Object.keys(summary), ['tokens', 'scored', 'meanNegativeLogLikelihood', 'perplexity']);
  });

  test('a text file is scored with the tokens the model puts around a text, and shown as a table', async () => {
    const [table, json] = await Promise.all([
      runCommand(['score', model, '--text', text]),
      runCommand(['score', model, '--text', text, '--json', '--top', '0']),
    ]);
    const { positions, tokens, perplexity } = JSON.parse(json.stdout);
    assert.deepEqual([positions[0].token, positions[0].top, positions.length], [1, [], tokens]);
    const lines = table.stdout.trimEnd().split('\n');
    assert.equal(lines.length, tokens + 2);
    assert.match(lines[0] ?? '', /^position +token +ln p +text +likeliest next$/);
    assert.match(lines[1] ?? '', /^ +0 +1 +- +"<s>" /);
    assert.ok((lines.at(-1) ?? '').endsWith(`perplexity ${perplexity.toFixed(4)}`));
  });
});
