/** Finding, reading and checking `pixel-coach.config.json`; environment variables win over the file. */
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { CoachError } from '../core/errors.ts';
import type { CoachConfig } from './config.ts';
import { overrideByEnvironment } from './environment.ts';
import { describeIssues } from './issues.ts';
import { configSchema } from './schema.ts';

export const CONFIG_FILE = 'pixel-coach.config.json';
const MAX_BYTES = 1_000_000;

export interface LoadedConfig {
  readonly config: CoachConfig;
  readonly path: string;
  /** Paths in the configuration are relative to it. */
  readonly folder: string;
}

/**
 * The configuration at `path`, or the one in `folder` or the nearest folder above it. Throws `bad-config`, naming the option's path
 * and the allowed values; `no-config` when there is none.
 */
export async function loadConfig(
  folder: string,
  options: { readonly path?: string | undefined; readonly environment?: NodeJS.ProcessEnv } = {},
): Promise<LoadedConfig> {
  const { environment = process.env } = options;
  const found =
    options.path === undefined ? await findUpwards(folder) : await readText(resolve(folder, options.path), true);
  if (!found) {
    throw new CoachError(
      'no-config',
      `There is no ${CONFIG_FILE} in ${folder} or a folder above it; "pixel-coach init" makes one.`,
    );
  }
  return { config: parseConfig(found.text, found.path, environment), path: found.path, folder: dirname(found.path) };
}

/** Checks the text of a configuration. Throws `bad-config`. */
export function parseConfig(text: string, path: string, environment: NodeJS.ProcessEnv = {}): CoachConfig {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CoachError('bad-config', `${path} is no JSON: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    });
  }
  const parsed = configSchema.safeParse(overrideByEnvironment(value, environment));
  if (parsed.success) return parsed.data;
  throw new CoachError('bad-config', `${path}: ${describeIssues(parsed.error.issues, configJsonSchema())}`, {
    details: { path },
  });
}

/** The JSON Schema of the file, for editors; `npm run build` writes it to pixel-coach.config.schema.json. */
export function configJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(configSchema, { io: 'input' });
}

async function findUpwards(folder: string): Promise<{ path: string; text: string } | undefined> {
  for (let at = resolve(folder); ; at = dirname(at)) {
    const found = await readText(join(at, CONFIG_FILE), false);
    if (found || dirname(at) === at) return found;
  }
}

async function readText(path: string, isNamed: boolean): Promise<{ path: string; text: string } | undefined> {
  try {
    const text = await readFile(path, 'utf8');
    if (text.length > MAX_BYTES) throw new CoachError('bad-config', `${path} is larger than ${MAX_BYTES} bytes.`);
    return { path, text };
  } catch (cause) {
    const isMissing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    if (isMissing && !isNamed) return undefined;
    if (cause instanceof CoachError) throw cause;
    if (isMissing) throw new CoachError('no-config', `There is no file ${path}.`, { cause });
    throw new CoachError('io', `${path} cannot be read: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}
