/**
 * Amounts of money. An amount is a safe integer of nano-dollars (10^-9 US dollars), so that sums are exact: one token at $0.75 a
 * million is 750 of them, and 9 million dollars still fit.
 */
import { CoachError } from './errors.ts';

/** Nano-dollars, a safe integer. */
export type Amount = number;

export const NANO_DOLLARS = 1_000_000_000;

/** `dollars` to the nearest nano-dollar; throws `bad-argument` when it is no amount. */
export function amountOfDollars(dollars: number): Amount {
  const amount = Math.round(dollars * NANO_DOLLARS);
  if (!Number.isSafeInteger(amount)) throw new CoachError('bad-argument', `${dollars} is not an amount of dollars.`);
  return amount;
}

/** 1_234_500_000 -> "$1.2345"; at least two decimals, at most nine, nothing lost. */
export function formatAmount(amount: Amount): string {
  const sign = amount < 0 ? '-' : '';
  const digits = Math.abs(amount).toString().padStart(10, '0');
  const fraction = digits.slice(-9).replace(/0{1,7}$/, '');
  return `${sign}$${digits.slice(0, -9)}.${fraction}`;
}
