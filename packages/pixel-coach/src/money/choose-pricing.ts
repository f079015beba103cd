/** Which price counts for an agent of the configuration. */
import type { AgentConfig, CoachConfig } from '../config/config.ts';
import { freePricing, overriddenPricing, type Pricing, tablePricing } from './pricing.ts';

/** Where Gemini's prices stand in the table. */
const GEMINI_PROVIDER = { providerId: 'google' } as const;

/** An agent's own price, then the configuration's for its model, then the table's; what runs on this machine is free. */
export function choosePricing(agent: AgentConfig, prices: CoachConfig['prices']): Pricing | undefined {
  if (agent.price !== undefined) return overriddenPricing(agent.price, 'price of the agent');
  if (agent.kind === 'human') return freePricing('a person');
  if (agent.kind === 'pixel-llm') return freePricing('in this process');
  if (agent.kind === 'command') return undefined;
  const listed = prices[agent.model];
  if (listed !== undefined) return overriddenPricing(listed, `"prices" of the configuration`);
  if (agent.kind === 'gemini') return tablePricing(agent.model, GEMINI_PROVIDER);
  if (isOnThisMachine(agent.baseUrl)) return freePricing('a server on this machine');
  return tablePricing(agent.model, { providerApiUrl: agent.baseUrl });
}

/** Loopback addresses only: a server on the network may be somebody's paid proxy. */
function isOnThisMachine(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}
