/** From the configuration to agents: one function a kind, and what they share. */
import type { AgentConfig, CoachConfig } from '../config/config.ts';
import { createSecrets } from '../config/secrets.ts';
import { choosePricing } from '../money/choose-pricing.ts';
import type { AgentDefaults } from './agent-defaults.ts';
import { createCommandAgent } from './command.ts';
import { createGeminiAgent } from './gemini.ts';
import { createHumanAgent } from './human.ts';
import { createOpenAiCompatibleAgent } from './openai-compatible.ts';
import { createPixelLlmAgent } from './pixel-llm.ts';
import type { RetryOptions } from './retry.ts';
import type { Agent } from './types.ts';

export interface CreateAgentsOptions {
  /** The folder of the configuration file. */
  readonly folder: string;
  readonly environment?: NodeJS.ProcessEnv;
  readonly onRetry?: RetryOptions['onRetry'];
}

/** Every agent of the configuration, by name. Nothing is started or asked yet. */
export function createAgents(config: CoachConfig, options: CreateAgentsOptions): Map<string, Agent> {
  const { folder, environment = process.env, onRetry } = options;
  const { attempts, baseSeconds, maxSeconds } = config.retries;
  const shared = {
    secrets: createSecrets(environment),
    retry: { attempts, baseMilliseconds: baseSeconds * 1000, maxMilliseconds: maxSeconds * 1000, onRetry },
    folder,
    environment,
  };
  return new Map(
    Object.entries(config.agents).map(([name, agent]) => {
      // An unknown price counts as paid: the call is then refused where money is reserved.
      const paid = choosePricing(agent, config.prices)?.isFree !== true;
      return [name, createAgent(name, agent, { ...shared, paid })];
    }),
  );
}

function createAgent(name: string, config: AgentConfig, defaults: AgentDefaults): Agent {
  switch (config.kind) {
    case 'gemini':
      return createGeminiAgent(name, config, defaults);
    case 'openai-compatible':
      return createOpenAiCompatibleAgent(name, config, defaults);
    case 'pixel-llm':
      return createPixelLlmAgent(name, config, defaults);
    case 'command':
      return createCommandAgent(name, config, defaults);
    case 'human':
      return createHumanAgent(name, config, defaults);
  }
}
