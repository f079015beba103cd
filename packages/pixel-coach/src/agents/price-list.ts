/** The prices of a configuration's agents: the loop reserves and settles by it, `pixel-coach agents` shows where each is from. */
import type { CoachConfig } from '../config/config.ts';
import { CoachError } from '../core/errors.ts';
import { choosePricing } from '../money/choose-pricing.ts';
import type { Pricing } from '../money/pricing.ts';
import type { Agent, PriceList } from './types.ts';

export interface PriceListOptions {
  readonly now?: () => Date;
}

export interface AgentPrices extends PriceList {
  /** Undefined: unknown, and the agent will not be called. */
  pricingOf(agentName: string): Pricing | undefined;
}

export function createPriceList(
  config: Pick<CoachConfig, 'agents' | 'prices'>,
  { now = () => new Date() }: PriceListOptions = {},
): AgentPrices {
  const pricings = new Map(
    Object.entries(config.agents).map(([name, agent]) => [name, choosePricing(agent, config.prices)]),
  );
  const required = (agent: Agent): Pricing => {
    const pricing = pricings.get(agent.name);
    if (pricing) return pricing;
    throw new CoachError(
      'unknown-price',
      `No price is known for ${agent.model} (agent "${agent.name}"), so it is not called. ` +
        `Give one in the configuration: "agents": {"${agent.name}": {"price": {"input": 1, "output": 4}}} ` +
        '(dollars for a million tokens), or "price": "free".',
      { details: { agent: agent.name, model: agent.model } },
    );
  };
  return {
    pricingOf: (agentName) => pricings.get(agentName),
    reservation: (agent, inputTokens, maxOutputTokens) => {
      const usage = { inputTokens, outputTokens: maxOutputTokens, cachedTokens: 0, reasoningTokens: 0 };
      return required(agent).cost(usage, now());
    },
    // The price is that of the model that was asked for; what a server calls itself in its answer decides nothing.
    cost: (agent, _model, usage) => required(agent).cost(usage, now()),
  };
}
