import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PairTable } from './pair-table.ts';
import { SymbolMerger } from './symbol-merger.ts';

type Rule = readonly [left: number, right: number, priority: number, merged: number];

function tableOf(rules: readonly Rule[]): PairTable {
  const table = new PairTable();
  for (const rule of rules) table.set(...rule);
  return table;
}

function merge(merger: SymbolMerger, symbols: readonly number[]): number[] {
  merger.reserve(symbols.length).set(symbols);
  const left = merger.merge(symbols.length);
  return [...merger.reserve(0).subarray(0, left)];
}

/** The definition, slow: again and again the best pair, leftmost on a tie. */
function mergePlainly(table: PairTable, symbols: readonly number[]): number[] {
  const row = [...symbols];
  for (;;) {
    let best = -1;
    let slot = -1;
    for (let at = 0; at + 1 < row.length; at++) {
      const found = table.find(row[at]!, row[at + 1]!);
      if (found >= 0 && (slot < 0 || table.priority(found) < table.priority(slot))) [best, slot] = [at, found];
    }
    if (best < 0) return row;
    row.splice(best, 2, table.merged(slot));
  }
}

test('the best pair merges first, the leftmost of equals', () => {
  const merger = new SymbolMerger(
    tableOf([
      [1, 1, 5, 2],
      [2, 1, 1, 3],
      [1, 4, 0, 5],
    ]),
  );
  assert.deepEqual(merge(merger, [1, 1, 1, 4]), [2, 5]);
  assert.deepEqual(merge(merger, [1, 1, 1]), [3]);
  assert.deepEqual(merge(merger, [1, 1, 1, 1]), [3, 1]);
  assert.deepEqual(merge(merger, []), []);
  assert.deepEqual(merge(merger, [7]), [7]);
});

test('it gives what the definition gives, for any rules and words', () => {
  const symbol = fc.integer({ min: 0, max: 5 });
  const rule = fc.tuple(symbol, symbol, fc.integer({ min: 0, max: 3 }), symbol);
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 12 }), fc.array(symbol, { maxLength: 40 }), (rules, word) => {
      const table = tableOf(rules);
      assert.deepEqual(merge(new SymbolMerger(table), word), mergePlainly(table, word));
    }),
    { numRuns: 1000 },
  );
});

test('a word of a hundred thousand equal letters takes n log n steps, not n squared', () => {
  const doubling = Array.from({ length: 8 }, (_, level): Rule => [level, level, level, level + 1]);
  const merger = new SymbolMerger(tableOf(doubling));
  const count = 100_000;
  assert.equal(merge(merger, new Array<number>(count).fill(0)).length, Math.floor(count / 256) + 2);
  assert.ok(merger.steps < 4 * count * Math.log2(count), `${merger.steps} steps`);
  merger.release();
  assert.equal(merger.reserve(0).length, 0);
});

test('a pair table finds what was put in, keeps the first of two, and grows', () => {
  const table = new PairTable();
  for (let left = -20; left < 20; left++) {
    for (let right = -20; right < 20; right++) table.set(left, right, left * 100 + right, left - right);
  }
  assert.equal(table.size, 1600);
  table.set(3, 4, 9, 9);
  assert.equal(table.size, 1600);
  const slot = table.find(3, 4);
  assert.deepEqual([table.priority(slot), table.merged(slot)], [304, -1]);
  assert.equal(table.find(21, 0), -1);
  table.clear();
  assert.equal(table.find(3, 4), -1);
});
