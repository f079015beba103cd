/** What names and metadata may be, and what is said where one is missing or taken: the same for every store. */
import { PixelError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { checkRectangle } from './coordinates.ts';
import type { MapChange, MapRegion } from './tile-store.ts';

const LONGEST_NAME = 1024;

/** Throws `bad-argument` or `limit-exceeded` for a change that no store may take. */
export function checkChange(change: MapChange): void {
  if (change.change === 'add-region') checkRegion(change.region);
  else if (change.change === 'add-overlay') {
    checkName('An overlay', change.overlay.name);
    metadataJson(change.overlay.metadata);
  }
}

function checkRegion(region: MapRegion): void {
  checkName('A region', region.name);
  checkName("A region's kind", region.kind);
  checkRectangle(region);
  metadataJson(region.metadata);
}

function checkName(what: string, name: string): void {
  if (typeof name === 'string' && name.length > 0 && name.length <= LONGEST_NAME && !/\p{Cc}/u.test(name)) return;
  throw new PixelError('bad-argument', `${what} needs a name of 1 to ${LONGEST_NAME} printable characters.`);
}

/** The metadata as they are stored. Throws `limit-exceeded`. */
export function metadataJson(metadata: Readonly<Record<string, unknown>>): string {
  const json = JSON.stringify(metadata);
  if (json.length <= LIMITS.mapMetadataBytes) return json;
  throw new PixelError(
    'limit-exceeded',
    `Metadata of ${json.length} characters exceed the limit of ${LIMITS.mapMetadataBytes}: put them into pixels.`,
  );
}

export function unknownRegion(map: string, name: string): PixelError {
  return new PixelError('unknown-region', `${map} has no region "${name}"; \`map list\` names those it has.`);
}

export function unknownOverlay(map: string, name: string): PixelError {
  return new PixelError('unknown-overlay', `${map} has no overlay "${name}"; \`map overlays\` names those it has.`);
}

export function nameTaken(map: string, what: 'a region' | 'an overlay', name: string): PixelError {
  return new PixelError('bad-argument', `${map} has ${what} "${name}" already: choose another name.`);
}
