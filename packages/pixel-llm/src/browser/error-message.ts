/** Errors on their way between a page and its worker: a PixelError arrives as one, with its code and details. */
import { PixelError, type PixelErrorCode } from '../core/errors.ts';

export interface ErrorMessage {
  /** Undefined for what is no PixelError: a fault of this project's. */
  readonly code: PixelErrorCode | undefined;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
  /** What caused it, in words. */
  readonly cause: string | undefined;
}

export function sentError(error: unknown): ErrorMessage {
  if (!(error instanceof PixelError)) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { code: undefined, message, details: {}, cause: undefined };
  }
  const { code, message, details, cause } = error;
  return { code, message, details: cloneable(details), cause: cause === undefined ? undefined : String(cause) };
}

/** `signal`: the one that stopped the call, whose reason is then the cause, as it is without a worker. */
export function receivedError({ code, message, details, cause }: ErrorMessage, signal?: AbortSignal): Error {
  if (code === undefined) return new Error(message);
  const reason = code === 'aborted' && signal?.aborted ? signal.reason : cause;
  return new PixelError(code, message, { details, cause: reason });
}

function cloneable(details: PixelError['details']): PixelError['details'] {
  try {
    return structuredClone(details);
  } catch {
    return Object.fromEntries(Object.entries(details).map(([name, value]) => [name, String(value)]));
  }
}
