/** How long work reports where it is. Callers show it; nothing below the command line prints. */
export interface Progress {
  /** What is being done, as a user would say it: "converting", "verifying". */
  readonly phase: string;
  /** Units finished so far. */
  readonly done: number;
  /** Units in all, if known. */
  readonly total?: number;
  readonly unit: 'bytes' | 'tensors' | 'tokens' | 'lines' | 'files' | 'ops' | 'steps' | 'questions' | 'texts';
}

/** The last step of writing files, after all their bytes: the operating system may take seconds for it. */
export function writingToDisk(bytes: number): Progress {
  return { phase: 'writing to disk', done: bytes, unit: 'bytes' };
}

export type OnProgress = (progress: Progress) => void;

/** The options every long-running function takes. */
export interface WorkOptions {
  signal?: AbortSignal | undefined;
  onProgress?: OnProgress | undefined;
}
