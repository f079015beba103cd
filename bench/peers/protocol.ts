/**
 * What the benchmark asks of every runtime, and how: each runs in a process of its own (so that memory, threads and a crash are its
 * own too), loads a model and answers requests one at a time. The child's side of it stands here; peers.ts has the parent's.
 */

export interface LoadRequest {
  readonly path: string;
  readonly threads: number;
  /** Tokens of prompt and answer together, for each sequence. */
  readonly contextTokens: number;
  readonly sequences: number;
  /** For this project: which of its devices. */
  readonly device: string;
}

/** What the runtime says of itself. */
export interface LoadAnswer {
  readonly version: string;
  readonly device: string;
}

/** The same prompt twice: wllama takes only text, and the others get the ids that the text stands for. */
export interface Prompt {
  readonly text: string;
  readonly tokens: readonly number[];
}

export interface GenerateRequest {
  readonly prompts: readonly Prompt[];
  /** Tokens to generate for each prompt, all at once: always the likeliest, and the end of the text is not heeded. */
  readonly tokens: number;
}

export interface GenerateAnswer {
  readonly tokens: readonly (readonly number[])[];
  /** From the request to the first token of the last sequence. */
  readonly promptSeconds: number;
  /** From there to the last token of all, and the tokens that all sequences together made in that time. */
  readonly decodeSeconds: number;
  readonly decodedTokens: number;
}

export interface LikeliestRequest {
  readonly prompt: Prompt;
  readonly count: number;
}

/** The likeliest next tokens with ln p, best first. */
export type LikeliestAnswer = readonly (readonly [token: number, logprob: number])[];

export interface DistributionsRequest {
  readonly tokens: readonly number[];
  /** Where to write ln p of every token after each position, f32. [tokens, vocabulary] */
  readonly path: string;
}

export interface Requests {
  load: (request: LoadRequest) => Promise<LoadAnswer>;
  generate: (request: GenerateRequest) => Promise<GenerateAnswer>;
  likeliest: (request: LikeliestRequest) => Promise<LikeliestAnswer>;
  distributions: (request: DistributionsRequest) => Promise<void>;
  dispose: () => Promise<void>;
}

export type RequestName = keyof Requests;

interface RequestMessage {
  readonly name: RequestName;
  readonly request: unknown;
}

export type AnswerMessage = { readonly answer: unknown } | { readonly failure: string };

/** Answers the parent's requests until it disposes of the runtime or goes away. */
export function serveRequests(requests: Requests): void {
  process.on('message', ({ name, request }: RequestMessage) => {
    void answerTo(requests, name, request).then((message) => {
      process.send?.(message, () => {
        if (name === 'dispose') process.exit();
      });
    });
  });
  process.on('disconnect', () => void requests.dispose().finally(() => process.exit()));
}

async function answerTo(requests: Requests, name: RequestName, request: unknown): Promise<AnswerMessage> {
  try {
    return { answer: await requests[name](request as never) };
  } catch (error) {
    return { failure: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

/** Times one `generate`: each sequence reports its tokens as it gets them. */
export class GenerationClock {
  readonly #begun: number = performance.now();
  readonly #tokens: number[][];
  #waiting: number;
  #first: number = this.#begun;
  #decoded = 0;

  constructor(sequences: number) {
    this.#tokens = Array.from({ length: sequences }, () => []);
    this.#waiting = sequences;
  }

  /** Returns how many tokens the sequence has now. */
  token(sequence: number, token: number): number {
    const count = this.#tokens[sequence]?.push(token) ?? 0;
    if (this.#waiting === 0) this.#decoded++;
    else if (count === 1 && --this.#waiting === 0) this.#first = performance.now();
    return count;
  }

  answer(): GenerateAnswer {
    return {
      tokens: this.#tokens,
      promptSeconds: (this.#first - this.#begun) / 1000,
      decodeSeconds: (performance.now() - this.#first) / 1000,
      decodedTokens: this.#decoded,
    };
  }
}
