/**
 * What a call of a model costs. Prices come from the table of @pydantic/genai-prices that is pinned in package.json, or from the
 * configuration, which wins.
 */
import { calcPrice } from '@pydantic/genai-prices';
import { CoachError } from '../core/errors.ts';
import { type Amount, amountOfDollars, formatAmount, NANO_DOLLARS } from '../core/money.ts';
import type { TokenUsage } from '../store/types.ts';
import { PRICE_TABLE } from './price-table.ts';

/** A price by hand: dollars for a million tokens, or dollars for a call whatever its length, or nothing. */
export type PriceOverride =
  | 'free'
  | { readonly input: number; readonly output: number; readonly cachedInput?: number | undefined }
  | { readonly perCall: number };

export interface Pricing {
  /** Where the price is from, for people: "free (local server)", "@pydantic/genai-prices of 2026-09-23, google gemini-3.8-flash". */
  readonly source: string;
  readonly isFree: boolean;
  /** At that time: a price may change on a date. */
  cost(usage: TokenUsage, at: Date): Amount;
}

/** Room for the noise of floating-point products before rounding up. */
const ROUNDING_NOISE = 1e-3;

/** Free, by a reason that is shown. */
export function freePricing(reason: string): Pricing {
  return { source: `free (${reason})`, isFree: true, cost: () => 0 };
}

/** A price from the configuration. */
export function overriddenPricing(override: PriceOverride, source = 'the configuration'): Pricing {
  if (override === 'free') return freePricing(source);
  if ('perCall' in override) {
    const cost = amountOfDollars(override.perCall);
    return { source: `${source}: ${formatAmount(cost)} a call`, isFree: cost === 0, cost: () => cost };
  }
  const { input, output, cachedInput = input } = override;
  // Dollars for a million tokens are micro-dollars a token.
  return pricingOf(`${source}: $${input} in, $${output} out a million tokens`, (usage) => {
    const { inputTokens, cachedTokens, outputTokens } = usage;
    return ((inputTokens - cachedTokens) * input + cachedTokens * cachedInput + outputTokens * output) / 1e6;
  });
}

/** A price from the table, or undefined when it knows no such model of that provider. */
export function tablePricing(
  model: string,
  provider: { readonly providerId?: string; readonly providerApiUrl?: string },
): Pricing | undefined {
  const found = calcPrice({ input_tokens: 1, output_tokens: 1 }, model, provider);
  if (!found) return undefined;
  const source = `${PRICE_TABLE.name} of ${PRICE_TABLE.date}: ${found.provider.id} ${found.model.id}`;
  return pricingOf(source, ({ inputTokens, cachedTokens, outputTokens }, timestamp) => {
    const usage = { input_tokens: inputTokens, cache_read_tokens: cachedTokens, output_tokens: outputTokens };
    const price = calcPrice(usage, model, { ...provider, timestamp });
    if (!price) throw new CoachError('unknown-price', `The price of ${model} was known and is no longer.`);
    return price.total_price;
  });
}

function pricingOf(source: string, dollars: (usage: TokenUsage, at: Date) => number): Pricing {
  return {
    source,
    isFree: false,
    // A fraction of a nano-dollar counts as a whole one: the sum may be too large by that, never too small.
    cost: (usage, at) => Math.ceil(dollars(usage, at) * NANO_DOLLARS - ROUNDING_NOISE),
  };
}
