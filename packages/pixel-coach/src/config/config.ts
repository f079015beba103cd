/** The configuration as the rest of the program sees it: checked, with every default in place. schema.ts says what a file may hold. */

/** Where a secret is: an environment variable, or a command that prints it. */
export type SecretConfig = { readonly env: string } | { readonly command: readonly string[] };

/** Dollars for a million tokens, or for a call whatever its length, or nothing. */
export type PriceConfig =
  | 'free'
  | { readonly input: number; readonly output: number; readonly cachedInput?: number | undefined }
  | { readonly perCall: number };

interface CommonAgentConfig {
  /** Absent: the price table's, or free on this machine. */
  readonly price?: PriceConfig | undefined;
  readonly maxOutputTokens: number;
  readonly timeoutSeconds: number;
}

export interface GeminiConfig extends CommonAgentConfig {
  readonly kind: 'gemini';
  readonly model: string;
  readonly apiKey: SecretConfig;
  readonly baseUrl?: string | undefined;
  readonly thinking?: 'minimal' | 'low' | 'medium' | 'high' | undefined;
  readonly contextTokens?: number | undefined;
}

export interface OpenAiCompatibleConfig extends CommonAgentConfig {
  readonly kind: 'openai-compatible';
  readonly baseUrl: string;
  readonly model: string;
  readonly apiKey?: SecretConfig | undefined;
  readonly structuredOutput: boolean;
  readonly temperature?: number | undefined;
  readonly contextTokens?: number | undefined;
}

export interface PixelLlmConfig extends CommonAgentConfig {
  readonly kind: 'pixel-llm';
  readonly model: string;
  readonly device: 'auto' | 'cpu' | 'gpu' | 'reference';
  readonly threads?: number | undefined;
  readonly temperature?: number | undefined;
  readonly contextTokens?: number | undefined;
}

export interface CommandConfig extends CommonAgentConfig {
  readonly kind: 'command';
  readonly command: readonly string[];
  readonly environment: readonly string[];
  readonly check?: readonly string[] | undefined;
}

export interface HumanConfig extends CommonAgentConfig {
  readonly kind: 'human';
  readonly editor?: readonly string[] | undefined;
}

export type AgentConfig = GeminiConfig | OpenAiCompatibleConfig | PixelLlmConfig | CommandConfig | HumanConfig;

export const COACH_MODES = ['generate+review', 'generate', 'review', 'human'] as const;
export type CoachMode = (typeof COACH_MODES)[number];

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;

export interface CoachConfig {
  readonly $schema?: string | undefined;
  readonly roadmap: string;
  readonly mode: CoachMode;
  readonly agents: Readonly<Record<string, AgentConfig>>;
  readonly generators: readonly string[];
  readonly reviewers: readonly string[];
  readonly threshold: number;
  readonly medianBand: number;
  readonly maxAttempts: number;
  readonly workers: number;
  /** Dollars. */
  readonly budget: {
    readonly perCall: number;
    readonly perTask: number;
    readonly perRun: number;
    readonly perDay: number;
  };
  /** By model. */
  readonly prices: Readonly<Record<string, PriceConfig>>;
  readonly retries: { readonly attempts: number; readonly baseSeconds: number; readonly maxSeconds: number };
  readonly protectedPaths: readonly string[];
  readonly hiddenPaths: readonly string[];
  readonly sandbox: {
    readonly kind: 'auto' | 'bubblewrap' | 'container';
    readonly container?: { readonly command: 'podman' | 'docker'; readonly image: string } | undefined;
    readonly readOnly: readonly string[];
    readonly writable: readonly string[];
    readonly gpu: boolean;
    readonly timeoutSeconds: number;
    readonly memoryMegabytes: number;
    readonly processes: number;
    readonly fileMegabytes: number;
  };
  readonly log: { readonly level: (typeof LOG_LEVELS)[number] };
}
