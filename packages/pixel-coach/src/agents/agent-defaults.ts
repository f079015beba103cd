import type { Secrets } from '../config/secrets.ts';
import type { RetryOptions } from './retry.ts';

/** What an agent is given besides its own configuration. */
export interface AgentDefaults {
  readonly secrets: Secrets;
  readonly retry: Omit<RetryOptions, 'signal'>;
  readonly paid: boolean;
  /** Paths in the configuration are relative to this folder. */
  readonly folder: string;
  readonly environment: NodeJS.ProcessEnv;
}
