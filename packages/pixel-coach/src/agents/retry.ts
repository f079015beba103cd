/** Repeating calls that failed for reasons that pass: a busy server, a broken connection. Full jitter, and Retry-After is obeyed. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CoachError, isCoachError } from '../core/errors.ts';

export interface RetryOptions {
  /** Calls in all, the first included. */
  readonly attempts: number;
  readonly baseMilliseconds: number;
  readonly maxMilliseconds: number;
  readonly signal?: AbortSignal | undefined;
  readonly onRetry?: ((error: CoachError, waitMilliseconds: number, attempt: number) => void) | undefined;
  /** From 0 to 1. */
  readonly random?: () => number;
}

/**
 * Repeats `call` while it throws `agent-unavailable` with `details.retryable`. A server that asks for a longer wait than
 * `maxMilliseconds` is not waited for here: the error goes on with its `details.retryAfterMilliseconds`.
 */
export async function withRetries<Result>(call: () => Promise<Result>, options: RetryOptions): Promise<Result> {
  const { attempts, baseMilliseconds, maxMilliseconds, signal, onRetry, random = Math.random } = options;
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      if (!isCoachError(error, 'agent-unavailable') || error.details.retryable !== true || attempt >= attempts)
        throw error;
      const asked = error.details.retryAfterMilliseconds;
      if (typeof asked === 'number' && asked > maxMilliseconds) throw error;
      // Jitter over the whole interval keeps several workers from knocking together; a server's own wish is the least.
      const backoff = Math.min(maxMilliseconds, baseMilliseconds * 2 ** (attempt - 1)) * random();
      const wait = Math.round(typeof asked === 'number' ? asked + backoff / 4 : backoff);
      onRetry?.(error, wait, attempt);
      await pause(wait, signal);
    }
  }
}

async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal });
  } catch (cause) {
    throw new CoachError('aborted', 'Stopped while waiting for a busy server.', { cause });
  }
}

/** Milliseconds that a Retry-After header (seconds or a date, RFC 9110 section 10.2.3) or `retry-after-ms` asks for. */
export function parseRetryAfter(
  headers: Readonly<Record<string, string>> | undefined,
  now: number = Date.now(),
): number | undefined {
  const milliseconds = Number(headers?.['retry-after-ms'] || Number.NaN);
  if (milliseconds >= 0) return milliseconds;
  const text = headers?.['retry-after']?.trim();
  if (!text) return undefined;
  const seconds = Number(text);
  if (seconds >= 0) return seconds * 1000;
  // Date.parse takes nearly everything for a date; one of HTTP has letters.
  const date = /[a-z]/i.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
