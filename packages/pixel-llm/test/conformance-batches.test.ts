/**
 * An entry's result is bit-identical whatever else is in the batch: other sequences, pieces of any size, pages anywhere, forks.
 * Checked on a whole tiny model, for every device that promises it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { selectBackend } from '../src/backends/select.ts';
import type { DeviceName, Executor } from '../src/backends/types.ts';
import { buildProgram } from '../src/program/build-program.ts';
import { makeTinyModel, tinyWeights } from './tiny-model.ts';

const DEVICES: readonly DeviceName[] = ['reference'];
const PAGE_TOKENS = 4;
const PAGE_COUNT = 24;
const PAGES_A_SEQUENCE = 6;

interface Scenario {
  /** One prompt a sequence. */
  readonly prompts: readonly (readonly number[])[];
  /** All pages, in the order in which the sequences take them. */
  readonly pageOrder: readonly number[];
  /** Which sequence runs on, and how many entries at most: cut into batches at random. */
  readonly turns: readonly { readonly sequence: number; readonly count: number; readonly startsBatch: boolean }[];
}

const scenarios: fc.Arbitrary<Scenario> = fc.record({
  prompts: fc.array(fc.array(fc.nat(40), { minLength: 1, maxLength: PAGE_TOKENS * PAGES_A_SEQUENCE - 1 }), {
    minLength: 1,
    maxLength: 4,
  }),
  pageOrder: fc.shuffledSubarray([...Array(PAGE_COUNT).keys()], { minLength: PAGE_COUNT }),
  turns: fc.array(
    fc.record({ sequence: fc.nat(3), count: fc.integer({ min: 1, max: 9 }), startsBatch: fc.boolean() }),
    {
      maxLength: 12,
    },
  ),
});

for (const device of DEVICES) {
  test(`${device} gives bit-identical logits however entries are batched and paged`, async () => {
    const model = makeTinyModel();
    const source = tinyWeights(model);
    const backend = await selectBackend(device);
    const load = (): Promise<Executor> =>
      backend.load(buildProgram(source.head), source, { pageCount: PAGE_COUNT, pageTokens: PAGE_TOKENS });
    const alone = await load();
    const together = await load();
    const runs = process.env.PIXEL_FULL === '1' ? 400 : 25;
    await fc.assert(
      fc.asyncProperty(scenarios, async (scenario) => {
        const mixed = await runTogether(together, scenario);
        for (const [sequence, prompt] of scenario.prompts.entries()) {
          assert.deepEqual(mixed[sequence], await runAlone(alone, prompt), `sequence ${sequence}`);
        }
      }),
      { numRuns: runs, seed: 20_26 },
    );
  });

  test(`${device} continues a fork as if it had run from the start`, async () => {
    const source = tinyWeights(makeTinyModel());
    const program = buildProgram(source.head);
    const executor = await (await selectBackend(device)).load(program, source, {
      pageCount: 8,
      pageTokens: PAGE_TOKENS,
    });
    const shared = [5, 9, 12, 3, 7, 8];
    await runEntries(
      executor,
      [[0, 1]],
      shared.map((token, position) => ({ sequence: 0, position, token })),
    );
    // The first page is full and shared; two positions of the second are copied, its rest is the fork's own.
    await executor.copyPage(1, 5, 2);
    await executor.copyPage(1, 6, 2);
    const tails = [
      [30, 31, 32],
      [11, 12, 13],
    ];
    const pages = [
      [0, 5, 3],
      [0, 6, 4],
    ];
    const entries = tails.flatMap((tail, sequence) =>
      tail.map((token, i) => ({ sequence, position: shared.length + i, token })),
    );
    const logits = await runEntries(executor, pages, entries);
    for (const [sequence, tail] of tails.entries()) {
      const whole = await runAlone(executor, [...shared, ...tail]);
      assert.deepEqual(logits.slice(3 * sequence, 3 * sequence + 3), whole.slice(shared.length));
    }
  });
}

interface EntryToken {
  readonly sequence: number;
  readonly position: number;
  readonly token: number;
}

async function runEntries(
  executor: Executor,
  pages: readonly (readonly number[])[],
  entries: readonly EntryToken[],
): Promise<Float32Array[]> {
  const { values } = await executor.step(
    {
      sequences: Int32Array.from(entries, ({ sequence }) => sequence),
      positions: Int32Array.from(entries, ({ position }) => position),
      pages,
      outputEntries: Int32Array.from(entries.keys()),
      inputs: { tokens: Int32Array.from(entries, ({ token }) => token) },
    },
    { readBack: ['logits'] },
  );
  const logits = values.get('logits') as Float32Array;
  const { vocab } = executor.program;
  return entries.map((_, i) => logits.slice(i * vocab, (i + 1) * vocab));
}

/** One token a step, pages in order: the plainest way to run a prompt. */
async function runAlone(executor: Executor, prompt: readonly number[]): Promise<Float32Array[]> {
  const pages = [Array.from({ length: Math.ceil(prompt.length / PAGE_TOKENS) }, (_, page) => page)];
  const rows: Float32Array[] = [];
  for (const [position, token] of prompt.entries()) {
    rows.push(...(await runEntries(executor, pages, [{ sequence: 0, position, token }])));
  }
  return rows;
}

async function runTogether(executor: Executor, { prompts, pageOrder, turns }: Scenario): Promise<Float32Array[][]> {
  const pages = prompts.map((_, i) => pageOrder.slice(i * PAGES_A_SEQUENCE, (i + 1) * PAGES_A_SEQUENCE));
  const next = prompts.map(() => 0);
  const rows: Float32Array[][] = prompts.map(() => []);
  let batch: EntryToken[] = [];
  const flush = async (): Promise<void> => {
    const logits = await runEntries(executor, pages, batch);
    for (const [i, { sequence }] of batch.entries()) rows[sequence]!.push(logits[i]!);
    batch = [];
  };
  const rest = prompts.map((_, sequence) => ({ sequence, count: Infinity, startsBatch: false }));
  for (const { sequence: any, count, startsBatch } of [...turns, ...rest]) {
    const sequence = any % prompts.length;
    if (startsBatch) await flush();
    const start = next[sequence]!;
    const tokens = prompts[sequence]!.slice(start, start + count);
    for (const [i, token] of tokens.entries()) batch.push({ sequence, position: start + i, token });
    next[sequence] = start + tokens.length;
  }
  await flush();
  return rows;
}
