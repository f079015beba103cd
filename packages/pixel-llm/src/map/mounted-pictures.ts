/** The pictures under a map: opened when they are first read, held to the hash they were mounted with, and read through. */
import type { ReadOptions } from '../core/byte-source.ts';
import { isPixelError, PixelError } from '../core/errors.ts';
import type { Picture } from '../png/picture.ts';
import type { Rectangle } from '../pxi/weight-space.ts';
import { intersection } from './coordinates.ts';
import { picturesHash } from './mount-record.ts';
import type { MountedRegion } from './tile-store.ts';

/** Opens the pictures of a mount's path: one, or a set in order. */
export type OpenPictures = (path: string, options: ReadOptions) => Promise<readonly Picture[]>;

/** Narrow parts of lines are read one by one, so many at a time. */
const LINES_AT_ONCE = 64;
/** From this share of a line's width on, whole lines are read. */
const WHOLE_LINE_SHARE = 0.5;

export class MountedPictures {
  readonly #map: string;
  readonly #open: OpenPictures | undefined;
  readonly #opened: Map<string, Promise<readonly Picture[]>> = new Map();

  constructor(map: string, open: OpenPictures | undefined) {
    this.#map = map;
    this.#open = open;
  }

  /** Opens pictures that are to be mounted. They are the caller's to close. Throws what opening throws. */
  async openNew(path: string, options: ReadOptions): Promise<readonly Picture[]> {
    if (this.#open) return this.#open(path, options);
    throw new PixelError(
      'bad-argument',
      `${this.#map} was opened without a way to open pictures: give \`openPictures\`.`,
    );
  }

  /** Opens a mount anew, for a caller who closes it. Throws `file-not-found` and `mount-changed` with what to do. */
  async openChecked(region: MountedRegion, options: ReadOptions = {}): Promise<readonly Picture[]> {
    const pictures = await this.#find(region, options);
    try {
      const isSame = (await picturesHash(pictures, options)) === region.mount.sha256;
      if (isSame && pictures.every(({ height }, index) => height === region.mount.lines[index])) return pictures;
      throw new PixelError(
        'mount-changed',
        `${region.mount.path} is no longer the picture that was mounted as "${region.name}": put that one back, or ` +
          `\`pixel-llm map unmount\` the region and mount what is there now (its overlays were made for the old one).`,
        { details: { region: region.name, path: region.mount.path } },
      );
    } catch (error) {
      await closeAll(pictures);
      throw error;
    }
  }

  /** Draws what a mount has within `area` into its pixels, [area.height, area.width, 4]. */
  async draw(region: MountedRegion, area: Rectangle, target: Uint8Array, options: ReadOptions): Promise<void> {
    const pictures = await this.#opening(region);
    let top = region.y;
    for (const picture of pictures) {
      const place = { x: region.x, y: top, width: picture.width, height: picture.height };
      const shared = intersection(place, area);
      if (shared) await drawPicture(picture, place, shared, area, target, options);
      top += picture.height;
    }
  }

  /** Closes all. Harmless twice. */
  async dispose(): Promise<void> {
    const all = [...this.#opened.values()];
    this.#opened.clear();
    for (const opening of all) await opening.then(closeAll, () => {});
  }

  #opening(region: MountedRegion): Promise<readonly Picture[]> {
    const key = `${region.mount.sha256} ${region.mount.path}`;
    let opening = this.#opened.get(key);
    if (!opening) {
      opening = this.openChecked(region);
      this.#opened.set(key, opening);
      // What failed is tried again with the next read: the file may be back.
      opening.catch(() => this.#opened.delete(key));
    }
    return opening;
  }

  async #find(region: MountedRegion, options: ReadOptions): Promise<readonly Picture[]> {
    try {
      return await this.openNew(region.mount.path, options);
    } catch (error) {
      if (!isPixelError(error, 'file-not-found')) throw error;
      throw new PixelError(
        'file-not-found',
        `The picture of "${region.name}", ${region.mount.path}, is not where it was: put it back, or say where it is now: ` +
          `\`pixel-llm map move ${this.#map} --region ${region.name} FILE\`.`,
        { cause: error, details: { region: region.name, path: region.mount.path } },
      );
    }
  }
}

export async function closeAll(pictures: readonly Picture[]): Promise<void> {
  await Promise.all(pictures.map((picture) => picture.dispose()));
}

async function drawPicture(
  picture: Picture,
  place: Rectangle,
  shared: Rectangle,
  area: Rectangle,
  target: Uint8Array,
  options: ReadOptions,
): Promise<void> {
  const lineBytes = picture.width * 4;
  const [first, inLine] = [shared.y - place.y, (shared.x - place.x) * 4];
  const targetAt = (row: number): number => ((shared.y - area.y + row) * area.width + (shared.x - area.x)) * 4;
  if (shared.width === picture.width && shared.width === area.width) {
    const whole = target.subarray(targetAt(0), targetAt(0) + shared.height * lineBytes);
    await picture.readPixels(first * lineBytes, [whole], options);
    return;
  }
  const isWide = shared.width >= picture.width * WHOLE_LINE_SHARE;
  const lines = isWide ? new Uint8Array(Math.min(LINES_AT_ONCE, shared.height) * lineBytes) : undefined;
  for (let row = 0; row < shared.height; row += LINES_AT_ONCE) {
    const count = Math.min(LINES_AT_ONCE, shared.height - row);
    if (lines) {
      await picture.readPixels((first + row) * lineBytes, [lines.subarray(0, count * lineBytes)], options);
      for (let i = 0; i < count; i++) {
        const from = i * lineBytes + inLine;
        target.set(lines.subarray(from, from + shared.width * 4), targetAt(row + i));
      }
      continue;
    }
    const reads = Array.from({ length: count }, (_, i) => {
      const line = target.subarray(targetAt(row + i), targetAt(row + i) + shared.width * 4);
      return picture.readPixels((first + row + i) * lineBytes + inLine, [line], options);
    });
    await Promise.all(reads);
  }
}
