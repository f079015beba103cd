import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DEFAULT_PAGE_TOKENS } from '../src/backends/types.ts';
import type { GenerateOptions } from '../src/engine/generation.ts';
import { loadModel } from '../src/engine/load-model.ts';
import { tinyWeights } from './tiny-model.ts';

const OPTIONS: GenerateOptions = { ignoreEndOfText: true, temperature: 1.1, seed: 3, maxTokens: 6 };
const load = () => loadModel(tinyWeights(), { device: 'reference', sequences: 4 });
const tokensOf = (seed: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => 3 + ((index * 37 + seed * 11) % 120));

test('sessions with one beginning compute it once, and write what each would write alone', async () => {
  const PAGE = DEFAULT_PAGE_TOKENS;
  await using alone = await load();
  const length = fc.constantFrom(1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, 2 * PAGE + 9);
  const turn = fc.record({ session: fc.nat(3), prefix: fc.nat(1), length, tail: fc.nat(5), left: fc.nat(7) });
  await fc.assert(
    fc.asyncProperty(fc.array(turn, { minLength: 3, maxLength: 8 }), async (turns) => {
      await using model = await load();
      const sessions = Array.from({ length: 4 }, () => model.createSession());
      for (const { session, prefix, length: shared, tail, left } of turns) {
        const prompt = [...tokensOf(prefix, shared), ...tokensOf(tail + 5, tail + 1)];
        using fresh = alone.createSession();
        const expected = await fresh.generate(prompt, OPTIONS).complete();
        const found = await sessions[session]?.generate(prompt, OPTIONS).complete();
        assert.deepEqual(found?.tokens, expected.tokens);
        // Some end, and leave their pages to those that share them.
        if (left === 0) sessions.splice(session, 1, model.createSession())[0]?.dispose();
      }
    }),
    { numRuns: 12 },
  );
});

test('what is shared is full pages, also of a session that is still writing', async () => {
  await using model = await load();
  const system = tokensOf(1, DEFAULT_PAGE_TOKENS + 20);
  using first = model.createSession();
  const writing = first.generate(system, OPTIONS)[Symbol.asyncIterator]();
  await writing.next();
  using second = model.createSession();
  const shared = await second.generate([...system, 9, 9], OPTIONS).complete();
  assert.equal(shared.cachedTokens, DEFAULT_PAGE_TOKENS);
  await writing.return();
  // Its own is more: nothing is taken from others.
  const again = await second.generate([...system, 9, 9, 8], OPTIONS).complete();
  assert.equal(again.cachedTokens, system.length + 2);
});
