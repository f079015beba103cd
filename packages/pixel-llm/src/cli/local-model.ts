/**
 * Where a command's MODEL is read: a path as it stands, a URL from the cache. Commands that need all weights pull what the cache
 * does not have; those that look at a part of the file read it on the server.
 */

import { fileURLToPath } from 'node:url';
import { PixelError } from '../core/errors.ts';
import { pathExists } from '../core/node.ts';
import { isModelUrl } from '../download/model-url.ts';
import type { CommandContext } from './command.ts';
import { formatBytes } from './progress-bar.ts';
import { cacheFolder } from './pull/model-cache.ts';
import { findCachedPath, type PulledModel, pullToCache } from './pull/pull-model.ts';

/** The model's path on this machine; a URL is pulled into the cache first, unless it is there. Throws as `pullToCache`. */
export async function pulledModel(model: string, context: CommandContext): Promise<string> {
  if (!isModelUrl(model)) return model;
  const begun = performance.now();
  const { signal } = context;
  const pulled = await reportingStops(context, () =>
    context.withProgress((onProgress, note) =>
      pullToCache(model, { cache: cacheFolder(), signal, onProgress, onNote: note }),
    ),
  );
  if (pulled.isNew) context.note(describePulled(pulled, performance.now() - begun));
  return pulled.path;
}

/** Beside the built files, and in the repository. */
const SHIPPED = ['../models/pixie.pxi.png', '../../../../models/pixie.pxi.png'];

/** The path of Pixie, the model that comes with this package. Throws `file-not-found`. */
export async function shippedModel(): Promise<string> {
  for (const place of SHIPPED) {
    const path = fileURLToPath(new URL(place, import.meta.url));
    if (await pathExists(path)) return path;
  }
  throw new PixelError(
    'file-not-found',
    'The model that comes with pixel-llm is missing: install it again, or name a model.',
  );
}

/** The model's path in the cache if it is a URL that was pulled; else what was given. Throws `bad-argument`. */
export async function cachedModel(model: string): Promise<string> {
  if (!isModelUrl(model)) return model;
  return (await findCachedPath(model, cacheFolder()))?.path ?? model;
}

/** "PATH: 4.68 GB in 3 files, pulled in 41.2 s and verified" */
export function describePulled({ path, byteLength, files }: PulledModel, milliseconds: number): string {
  const inFiles = files.length === 1 ? '' : ` in ${files.length} files`;
  return `${path}: ${formatBytes(byteLength)}${inFiles}, pulled in ${(milliseconds / 1000).toFixed(1)} s and verified`;
}

/** Says, when a download is interrupted, that nothing is lost. */
export async function reportingStops<Result>(context: CommandContext, pull: () => Promise<Result>): Promise<Result> {
  try {
    return await pull();
  } catch (error) {
    if (context.signal.aborted) context.note('Stopped. What has arrived is kept: the same command goes on from there.');
    throw error;
  }
}
