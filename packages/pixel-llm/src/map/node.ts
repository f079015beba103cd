/** The Node side of maps: files with their pictures beside them, and models by an address, MAP#REGION+OVERLAY+OVERLAY. */
import { dirname, isAbsolute, relative, resolve } from 'node:path';
import type { ReadOptions } from '../core/byte-source.ts';
import { PixelError } from '../core/errors.ts';
import type { ModelContent } from '../pxi/convert/model-content.ts';
import { createPictureContent } from '../pxi/convert/picture-content.ts';
import { openContentFile, openPicturesFile, openWeightsFile } from '../pxi/node.ts';
import type { WeightSource } from '../pxi/weight-source.ts';
import { InfiniteMap, type InfiniteMapOptions } from './infinite-map.ts';
import { type MapModel, openMapModel } from './map-weights.ts';
import { type OpenMapFileOptions, openSqliteTileStore } from './sqlite/node.ts';

export { createMapFile } from './sqlite/node.ts';

export interface OpenMapOptions extends InfiniteMapOptions, OpenMapFileOptions {}

/** Opens a .pxmap file; mounted pictures are found relative to it. Throws `file-not-found`, `bad-map`, `map-busy`, `io`. */
export function openMap(path: string, options: OpenMapOptions = {}): InfiniteMap {
  return new InfiniteMap(openSqliteTileStore(path, options), {
    openPictures: (picture, reading) => openPicturesFile(pictureOf(path, picture), reading),
    ...options,
  });
}

/** How a map names a picture: relative to its own folder where the picture lies in it or below, so that both can move together. */
export function mountPath(map: string, picture: string): string {
  if (isUrl(picture)) return picture;
  const way = relative(dirname(resolve(map)), resolve(picture));
  return way.startsWith('..') || isAbsolute(way) ? resolve(picture) : way.replaceAll('\\', '/');
}

/** Where a mount's picture is: the way back from `mountPath`. */
export function pictureOf(map: string, path: string): string {
  return isUrl(path) ? path : resolve(dirname(resolve(map)), path);
}

/** A model on a map. */
export interface MapAddress {
  readonly map: string;
  readonly region: string;
  readonly overlays: readonly string[];
}

const ADDRESS = /^(.+\.pxmap)#([^+]+)((?:\+[^+]+)*)$/i;

/** Undefined for what is no address. */
export function parseMapAddress(text: string): MapAddress | undefined {
  const [, map, region, overlays = ''] = ADDRESS.exec(text) ?? [];
  if (map === undefined || region === undefined) return undefined;
  return { map, region, overlays: overlays.split('+').filter((name) => name !== '') };
}

/** "plane.pxmap#pixie+calm" */
export function mapAddress({ map, region, overlays }: MapAddress): string {
  return `${map}#${[region, ...overlays].join('+')}`;
}

/** Opens a model by a path, a URL or a map address. Throws as `openWeightsFile` and `openMapModel`. */
export async function openModelWeights(model: string, options: ReadOptions = {}): Promise<WeightSource> {
  const found = await openAddressed(model, options);
  return found ? found.weights : openWeightsFile(refuseBareMap(model), options);
}

/** The same for converting it. */
export async function openModelContent(model: string, options: ReadOptions = {}): Promise<ModelContent> {
  const found = await openAddressed(model, options);
  return found ? createMapContent(found) : openContentFile(refuseBareMap(model), options);
}

/** Its tensors are no longer those whose hashes the manifest has. */
function createMapContent({ set }: MapModel): ModelContent {
  const content = createPictureContent(set);
  return { ...content, tensors: content.tensors.map(({ sha256: _, ...tensor }) => tensor) };
}

/** A model on a map with its pictures; undefined for what is no address. The map is closed with it. Throws as `openMapModel`. */
export async function openAddressed(model: string, options: ReadOptions = {}): Promise<MapModel | undefined> {
  const address = parseMapAddress(model);
  if (!address) return undefined;
  const map = openMap(address.map, { readOnly: true });
  try {
    return await openMapModel(map, address.region, { overlays: address.overlays, ownsMap: true, ...options });
  } catch (error) {
    await map.dispose();
    throw error;
  }
}

function refuseBareMap(model: string): string {
  if (!/\.pxmap$/i.test(model)) return model;
  throw new PixelError(
    'bad-argument',
    `${model} is a map: name the model on it, as in ${model}#REGION or ${model}#REGION+OVERLAY.`,
  );
}

export function isUrl(path: string): boolean {
  return /^https?:\/\//i.test(path);
}
