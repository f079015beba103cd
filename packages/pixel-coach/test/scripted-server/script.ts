/**
 * What a scripted model answers. A script is a plain function of the request and of how often this model was asked about the same
 * subject before; the server (server.ts) turns its answer into HTTP. The kinds of models that the coach has to live with are in models.ts.
 */

interface ScriptedMessage {
  readonly role: string;
  readonly content: string;
}

export interface ScriptedRequest {
  readonly model: string;
  readonly messages: readonly ScriptedMessage[];
  /** All messages as one text, for looking something up. */
  readonly text: string;
  /** The body as it came. */
  readonly body: Readonly<Record<string, unknown>>;
}

export interface ScriptedUsage {
  readonly inputTokens: number;
  /** Of the input, read from the server's cache. */
  readonly cachedInputTokens?: number;
  /** All that is billed as output, thinking included. */
  readonly outputTokens: number;
  /** Of the output. */
  readonly reasoningTokens?: number;
}

export type ScriptedAnswer =
  | { readonly kind: 'text'; readonly text: string; readonly usage?: ScriptedUsage; readonly delayMs?: number }
  /** An HTTP status other than 200, with headers (Retry-After) and a message. */
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly message?: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** These bytes instead of a legal answer, status 200. */
  | { readonly kind: 'raw'; readonly body: string }
  /** The connection is cut in the middle of the answer. */
  | { readonly kind: 'cut'; readonly text: string }
  /** `repeat` times `text`, streamed until the client has enough. */
  | { readonly kind: 'endless'; readonly text: string; readonly repeat: number };

/** `turn` counts this model's earlier calls on the same subject (see `subjectOf` in server.ts), from 0. */
export type Script = (request: ScriptedRequest, turn: number) => ScriptedAnswer;
