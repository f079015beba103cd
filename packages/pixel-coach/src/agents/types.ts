/**
 * What the loop needs of an agent, whatever stands behind it: a model across HTTP, Pixel-LLM in this process, a command, a person.
 * An agent turns text into text; it reserves no money, touches no file and knows nothing of tasks.
 */
import type { TokenUsage } from '../store/types.ts';

export const AGENT_KINDS = ['gemini', 'openai-compatible', 'pixel-llm', 'command', 'human'] as const;
export type AgentKind = (typeof AGENT_KINDS)[number];

export interface Availability {
  readonly usable: boolean;
  /** Why it is not usable, or what was found; a sentence. */
  readonly reason: string;
  /** What to do about it; empty when usable. */
  readonly remedy: string;
  /** The exact command or URL that was tried; never a key. */
  readonly tried: string;
}

export interface AgentRequest {
  /** What the agent is and how it has to answer. */
  readonly system: string;
  readonly prompt: string;
  readonly maxOutputTokens: number;
  readonly signal?: AbortSignal | undefined;
  /** Called with each piece of text as it arrives. */
  readonly onText?: ((text: string) => void) | undefined;
}

export const FINISH_REASONS = ['stop', 'length', 'content-filter', 'other'] as const;

export interface AgentAnswer {
  readonly text: string;
  readonly usage: TokenUsage;
  /** The model that answered, as it named itself. */
  readonly model: string;
  readonly finishReason: (typeof FINISH_REASONS)[number];
}

/** What a reviewer says; agents check it against this shape before they return it. */
export interface ReviewAnswer {
  /** 1 to 10. */
  readonly score: number;
  readonly mustFix: readonly string[];
  readonly niceToHave: readonly string[];
  readonly summary: string;
}

export interface Agent {
  /** Its name in the configuration. */
  readonly name: string;
  readonly kind: AgentKind;
  /** The model it asks for; what prices are looked up by. */
  readonly model: string;
  /** Whether a call costs money. */
  readonly paid: boolean;
  /** Input and output together, in tokens; undefined when nobody knows. */
  readonly contextTokens: number | undefined;
  /** The longest answer that the configuration allows it: what a request should ask for, and what is reserved. */
  readonly maxOutputTokens: number;
  availability(signal?: AbortSignal): Promise<Availability>;
  /** An upper estimate of the tokens of a text, for reservations and context checks. */
  countTokens(text: string): number;
  /**
   * Throws `agent-unavailable` for failures of the infrastructure (these use no attempt; `details.retryAfterMilliseconds` says when it
   * may be tried again, `details.permanent` that waiting does not help), `agent-failed` for answers that nobody can use, `aborted`. An error after tokens were used carries
   * `details.usage`.
   */
  generate(request: AgentRequest): Promise<AgentAnswer>;
  /** Structured output; absent where the agent only writes. Errors as generate's. */
  review?(request: AgentRequest): Promise<Omit<AgentAnswer, 'text'> & { readonly review: ReviewAnswer }>;
}

/** What the loop is handed to work with: who writes, who reviews, in order of preference. */
export interface Team {
  readonly generators: readonly Agent[];
  /** Empty: tests alone decide. */
  readonly reviewers: readonly Agent[];
}

/**
 * The most a call can cost, and what it did cost. Throws `unknown-price` for a paid model without a price.
 */
export interface PriceList {
  /** The most a call with so many input tokens and at most so many output tokens can cost. */
  reservation(agent: Agent, inputTokens: number, maxOutputTokens: number): number;
  cost(agent: Agent, model: string, usage: TokenUsage): number;
}
