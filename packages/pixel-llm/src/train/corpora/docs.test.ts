import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { writeDocs } from './docs.ts';
import { PROJECT_FACTS } from './project-facts.ts';

test('every fact stands in the documentation, in the words that it names', async () => {
  for (const { source, evidence, answer } of PROJECT_FACTS) {
    const document = await readFile(new URL(`../../../../../${source}`, import.meta.url), 'utf8');
    assert.ok(evidence.length > 3 && document.includes(evidence), `${source} does not say "${evidence}" (${answer})`);
  }
});

test('no two facts are asked for in the same words, and answers differ', () => {
  const asks = PROJECT_FACTS.flatMap((fact) => fact.asks);
  assert.equal(new Set(asks).size, asks.length);
  assert.equal(new Set(PROJECT_FACTS.map(({ answer }) => answer)).size, PROJECT_FACTS.length);
});

test('a question is a function of its seed and number', () => {
  assert.deepEqual(writeDocs(1, 5), writeDocs(1, 5));
  assert.notDeepEqual(writeDocs(1, 5), writeDocs(1, 6));
});

test('what is held out is never learned, and each fact and way to ask occurs in both', () => {
  const draw = (heldOut: boolean) => Array.from({ length: 8000 }, (_, example) => writeDocs(1, example, heldOut));
  const learned = draw(false);
  const asked = draw(true);
  const known = new Set(learned.map(({ prompt }) => prompt));
  assert.ok(known.size > 3000, `${known.size} wordings`);
  assert.equal(
    asked.find(({ prompt }) => known.has(prompt)),
    undefined,
  );
  for (const { asks, answer } of PROJECT_FACTS) {
    for (const ask of asks) {
      for (const list of [learned, asked]) {
        assert.ok(
          list.some(({ prompt, completion }) => prompt.includes(ask) && completion === answer),
          ask,
        );
      }
    }
  }
});
