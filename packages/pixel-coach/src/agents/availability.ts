/** Building blocks of `Agent.availability()`. */
import type { Availability } from './types.ts';

export function usable(reason: string, tried: string): Availability {
  return { usable: true, reason, remedy: '', tried };
}

export function unusable(reason: string, remedy: string, tried: string): Availability {
  return { usable: false, reason, remedy, tried };
}

/** "Nothing listens there (connect ECONNREFUSED 127.0.0.1:11434)." */
export function describeUnreachable(error: unknown): string {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (inner instanceof Error && inner.name === 'TimeoutError') return 'No answer within 5 s.';
  const message = inner instanceof Error ? inner.message : String(inner);
  return /ECONNREFUSED/.test(message) ? `Nothing listens there (${message}).` : `It cannot be reached (${message}).`;
}
