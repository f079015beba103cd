/**
 * The log of a run: one JSON object a line in `.pixel-coach/logs/RUN.jsonl`, by pino. Calls of models carry the field names of
 * OpenTelemetry's conventions for generative AI (gen_ai.*), so that other programs can read them; the coach's own begin with coach.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import pino from 'pino';
import type { CoachConfig } from '../config/config.ts';
import { CoachError } from '../core/errors.ts';

export interface RunLogOptions {
  readonly folder: string;
  readonly runId: string;
  readonly level: CoachConfig['log']['level'];
  /** Called with each line, for people who watch. */
  readonly onLine?: ((line: string) => void) | undefined;
}

export interface RunLog extends Disposable {
  readonly path: string;
  write(level: CoachConfig['log']['level'], message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** Throws `io`. */
export function openRunLog({ folder, runId, level, onLine }: RunLogOptions): RunLog {
  const path = join(folder, `${runId}.jsonl`);
  try {
    mkdirSync(folder, { recursive: true });
  } catch (cause) {
    throw new CoachError('io', `The folder of logs ${folder} cannot be made.`, { cause });
  }
  // Written at once, each line by one call: what was logged is there after a kill, and lines of several processes do not mix.
  const file = pino.destination({ dest: path, sync: true, append: true });
  const tee = {
    write(line: string): void {
      file.write(line);
      onLine?.(line.trimEnd());
    },
  };
  const logger = pino(
    {
      level,
      base: { 'coach.run.id': runId, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    tee,
  );
  return {
    path,
    write: (at, message, fields = {}) => logger[at](fields, message),
    [Symbol.dispose]: () => file.end(),
  };
}
