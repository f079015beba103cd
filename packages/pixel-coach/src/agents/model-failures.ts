/** What went wrong in a call of a model server, in the coach's terms: passing trouble, lasting trouble, or an answer that is of no use. */
import {
  APICallError,
  EmptyResponseBodyError,
  InvalidResponseDataError,
  JSONParseError,
  TypeValidationError,
} from '@ai-sdk/provider';
import { CoachError } from '../core/errors.ts';
import { parseRetryAfter } from './retry.ts';

/** Statuses that pass: busy, overloaded, restarting. 529 is what some use for "overloaded". */
const PASSING_STATUSES: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504, 529]);
const MAX_MESSAGE_CHARACTERS = 500;

export interface CallFacts {
  /** The agent's name. */
  readonly agent: string;
  readonly model: string;
  /** Seconds after which the coach gave up. */
  readonly timeoutSeconds: number;
  /** Secrets that no message may repeat. */
  readonly secrets: readonly string[];
}

/** A CoachError for anything that a call can throw. */
export function modelFailure(error: unknown, facts: CallFacts): CoachError {
  if (error instanceof CoachError) return error;
  if (APICallError.isInstance(error) && error.statusCode !== undefined && error.statusCode !== 200) {
    return statusFailure(error, error.statusCode, facts);
  }
  if (isTimeout(error)) {
    return unavailable(
      `did not answer within ${facts.timeoutSeconds} s; give it more time ("timeoutSeconds") or a smaller task`,
      facts,
      { cause: error, retryable: false },
    );
  }
  if (isUnreadable(error)) {
    return unavailable('sent an answer that does not follow the protocol', facts, { cause: error, retryable: true });
  }
  const message = clean(rootMessage(error), facts);
  return unavailable(`cannot be reached or broke off (${message})`, facts, { cause: error, retryable: true });
}

function statusFailure(error: APICallError, status: number, facts: CallFacts): CoachError {
  const said = clean(error.message, facts);
  const retryAfterMilliseconds = parseRetryAfter(error.responseHeaders);
  const details = { status, ...(retryAfterMilliseconds !== undefined && { retryAfterMilliseconds }) };
  if (status === 401 || status === 403) {
    return unavailable(`refuses the key (${status}: ${said}); check where "apiKey" takes it from`, facts, {
      details: { ...details, permanent: true },
    });
  }
  if (status === 404) {
    return unavailable(`knows no such model or address (${said})`, facts, { details: { ...details, permanent: true } });
  }
  if (status === 400 && /context|too (long|large|many tokens)|exceed/i.test(said)) {
    return unavailable(`does not take a prompt that long (${said})`, facts, {
      details: { ...details, contextExceeded: true },
    });
  }
  const retryable = PASSING_STATUSES.has(status);
  const what = status === 429 ? 'is rate-limited' : `answered with status ${status}`;
  return unavailable(`${what} (${said})`, facts, { details, retryable });
}

interface UnavailableOptions {
  readonly cause?: unknown;
  readonly retryable?: boolean;
  readonly details?: Readonly<Record<string, unknown>>;
}

function unavailable(problem: string, { agent, model }: CallFacts, options: UnavailableOptions): CoachError {
  const { cause, retryable = false, details = {} } = options;
  return new CoachError('agent-unavailable', `Agent "${agent}" (${model}) ${problem}.`, {
    cause,
    details: { agent, model, retryable, ...details },
  });
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === 'TimeoutError';
}

function isUnreadable(error: unknown): boolean {
  if (APICallError.isInstance(error)) return error.statusCode === 200;
  return (
    JSONParseError.isInstance(error) ||
    TypeValidationError.isInstance(error) ||
    InvalidResponseDataError.isInstance(error) ||
    EmptyResponseBodyError.isInstance(error)
  );
}

/** The innermost cause says more than "fetch failed". */
function rootMessage(error: unknown): string {
  let current = error;
  for (let depth = 0; depth < 8 && current instanceof Error && current.cause instanceof Error; depth++)
    current = current.cause;
  return current instanceof Error ? current.message || current.name : String(current);
}

function clean(message: string, { secrets }: CallFacts): string {
  let text = message;
  for (const secret of secrets) if (secret !== '') text = text.replaceAll(secret, '***');
  return text
    .replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ')
    .slice(0, MAX_MESSAGE_CHARACTERS)
    .replace(/\.$/, '');
}
