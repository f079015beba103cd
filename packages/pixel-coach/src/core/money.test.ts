import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { amountOfDollars, formatAmount } from './money.ts';

describe('Amounts', () => {
  test('are written with at least two decimals and nothing lost', () => {
    assert.equal(formatAmount(0), '$0.00');
    assert.equal(formatAmount(750), '$0.00000075');
    assert.equal(formatAmount(1_234_500_000), '$1.2345');
    assert.equal(formatAmount(-20_000_000_000), '-$20.00');
  });

  test('come back from their text', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 ** 14 }), (amount) => {
        assert.equal(amountOfDollars(Number(formatAmount(amount).slice(1))), amount);
      }),
    );
  });

  test('refuse what is no number', () => {
    assert.throws(() => amountOfDollars(Number.NaN), { code: 'bad-argument' });
    assert.throws(() => amountOfDollars(1e12), { code: 'bad-argument' });
  });
});
