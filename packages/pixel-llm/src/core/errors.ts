/**
 * The project's one error class. Every failure a user can meet carries a stable `code` from the table below
 * and a sentence that says what happened and what to do; docs/errors.md lists the same table (a test compares them).
 */

/** Every error code, with what it means. Add a line here to add a code. */
export const ERROR_CODES = {
  aborted: 'The work was stopped by its AbortSignal.',
  'bad-argument': 'A function or command was given a value it cannot use.',
  'file-not-found': 'The file or folder does not exist or cannot be opened.',
  'file-exists': 'The output already exists and would be overwritten.',
  io: 'The operating system refused a read or a write.',
  'storage-full': 'The browser gives this site no more room for models.',
  http: 'A server answered with an error, without range support, or with other bytes than it promised.',
  truncated: 'The data end before what they announce.',
  'limit-exceeded': 'A file declares a count, length or size above the named safety limit.',
  'bad-metadata': 'A metadata value of the model is missing or of the wrong type.',
  'bad-data': 'A line of a data file, or a training recipe, is not what it has to be; the message names it.',
  'bad-gguf': 'The GGUF file contradicts itself or the specification.',
  'unsupported-type': 'The tensor type is known to nobody here, or cannot be computed with.',
  'bad-png': 'The file is not a legal PNG.',
  'damaged-picture': 'The picture was changed or damaged since it was written; the message says how.',
  'bad-manifest': 'The manifest of the picture contradicts itself or the specification.',
  'missing-part': 'A file of a set of several files is missing.',
  'other-model':
    'A saved conversation or an adapter belongs to another model, or two models to compare are not of one shape.',
  'bad-map': 'The file is no map, was written by a newer version, or is damaged.',
  'map-busy': 'Other processes kept the map locked for too long.',
  'read-only': 'The map cannot be written where it lies.',
  'mount-changed': 'A picture is no longer the one that was mounted.',
  'unknown-region': 'The map has no region of that name.',
  'unknown-overlay': 'The map has no overlay of that name.',
  'unknown-tensor': 'The model has no tensor of that name.',
  'unknown-architecture': 'The architecture of the model is not one this project can run.',
  'bad-program': 'A Program names a value, weight or op that does not exist, or shapes that do not fit.',
  'unknown-pre-tokenizer': 'The tokenizer model or pre-tokenizer of the model is not one this project knows.',
  'bad-template': 'The chat template of the model is missing or cannot be rendered.',
  'not-finite': 'The model computed something that is not a number: its weights or the sampling settings are unusable.',
  'unknown-device': 'There is no device of that name.',
  'unknown-format': 'The file is of none of the formats this command reads.',
  'context-full': 'The prompt and answer no longer fit the context of the model.',
  'out-of-memory': 'There is not enough memory for the model and its cache.',
  'device-lost':
    'A device, or one of its threads, stopped working, and could not be made anew; the model has to be loaded again.',
  disposed: 'The object was used after it was disposed of.',
} as const;

export type PixelErrorCode = keyof typeof ERROR_CODES;

export interface PixelErrorOptions {
  cause?: unknown;
  /** Machine-readable facts: file, line, tensor, offset. */
  details?: Readonly<Record<string, unknown>>;
}

export class PixelError extends Error {
  readonly code: PixelErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: PixelErrorCode, message: string, { cause, details = {} }: PixelErrorOptions = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'PixelError';
    this.code = code;
    this.details = details;
  }
}

/** True for a PixelError, of the given code if one is named. */
export function isPixelError(error: unknown, code?: PixelErrorCode): error is PixelError {
  return error instanceof PixelError && (code === undefined || error.code === code);
}

/** Throws `aborted` when the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new PixelError('aborted', 'Stopped.', { cause: signal.reason });
}
