/**
 * Decodes a PNG that any program wrote into lines of 8-bit RGBA: inflated, unfiltered, converted. Without interlacing the
 * lines come one after the other in constant memory; an interlaced picture (Adam7) has to be whole first.
 */
import type { ByteSource, ReadOptions } from '../core/byte-source.ts';
import { PixelError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { inflateData } from './inflate-data.ts';
import type { PngLayout } from './png-layout.ts';
import { bitsAPixel, lineConverter } from './samples.ts';
import { unfilterLine } from './unfilter.ts';

/**
 * Yields the picture's lines, top to bottom; each array is valid until the next is asked for.
 * Throws `damaged-picture`, `truncated`, `limit-exceeded`, `aborted`.
 */
export async function* decodeLines(
  source: ByteSource,
  layout: PngLayout,
  options?: ReadOptions,
): AsyncGenerator<Uint8Array, void, void> {
  const { width, height, interlaced } = layout.header;
  if (width > LIMITS.decodedWidth) {
    throw new PixelError(
      'limit-exceeded',
      `${source.name} is ${width} pixels wide; pictures of this project have at most 8192, and ${LIMITS.decodedWidth} are decoded.`,
    );
  }
  if (interlaced) return yield* decodeInterlaced(source, layout, options);
  const convert = lineConverter(layout, source.name);
  const rgba = new Uint8Array(4 * width);
  for await (const line of unfilteredLines(source, layout, [{ width, height }], options)) {
    convert(line, width, rgba, 1);
    yield rgba;
  }
}

/** Column start, column step, line start, line step of the seven passes (PNG specification, section 8.2). */
const PASSES = [
  [0, 8, 0, 8],
  [4, 8, 0, 8],
  [0, 4, 4, 8],
  [2, 4, 0, 4],
  [0, 2, 2, 4],
  [1, 2, 0, 2],
  [0, 1, 1, 2],
] as const;

async function* decodeInterlaced(
  source: ByteSource,
  layout: PngLayout,
  options?: ReadOptions,
): AsyncGenerator<Uint8Array, void, void> {
  const { width, height } = layout.header;
  checkDecodedBytes(source.name, width, height);
  const passes = PASSES.map(([x, stepX, y, stepY]) => ({
    x,
    stepX,
    y,
    stepY,
    width: Math.ceil((width - x) / stepX),
    height: Math.ceil((height - y) / stepY),
  })).filter((pass) => pass.width > 0 && pass.height > 0);
  const convert = lineConverter(layout, source.name);
  // Made when the first line is there: by then the file has proved long enough to hold so many.
  let picture = new Uint8Array(0);
  let index = 0;
  let row = 0;
  for await (const line of unfilteredLines(source, layout, passes, options)) {
    if (picture.length === 0) picture = new Uint8Array(4 * width * height);
    const pass = passes[index]!;
    const start = ((pass.y + row * pass.stepY) * width + pass.x) * 4;
    convert(line, pass.width, picture.subarray(start), pass.stepX);
    if (++row === pass.height) {
      row = 0;
      index++;
    }
  }
  for (let y = 0; y < height; y++) yield picture.subarray(y * width * 4, (y + 1) * width * 4);
}

/** Throws `limit-exceeded` when a picture is too large to be decoded into memory. */
export function checkDecodedBytes(name: string, width: number, height: number): void {
  if (4 * width * height <= LIMITS.decodedBytes) return;
  throw new PixelError(
    'limit-exceeded',
    `${name}: ${width} x ${height} pixels, written by another program, exceed the ${LIMITS.decodedBytes} bytes that may be decoded into memory; use the original file.`,
  );
}

/** The lines of one picture after the other (the passes of an interlaced one), each valid until the next is asked for. */
async function* unfilteredLines(
  source: ByteSource,
  layout: PngLayout,
  pictures: readonly { readonly width: number; readonly height: number }[],
  options?: ReadOptions,
): AsyncGenerator<Uint8Array, void, void> {
  const bits = bitsAPixel(layout);
  const pixelBytes = Math.max(1, bits / 8);
  const lineBytes = pictures.map(({ width }) => Math.ceil((width * bits) / 8));
  const expected = pictures.reduce((sum, { height }, index) => sum + height * (lineBytes[index]! + 1), 0);
  const bytes = new ByteReader(inflateData(source, layout.firstData, expected, options));
  try {
    for (const [index, { height }] of pictures.entries()) {
      let above = new Uint8Array(lineBytes[index]! + 1);
      let line = new Uint8Array(lineBytes[index]! + 1);
      for (let y = 0; y < height; y++) {
        await bytes.fill(line);
        unfilterLine(line[0]!, line.subarray(1), above.subarray(1), pixelBytes);
        yield line.subarray(1);
        [above, line] = [line, above];
      }
    }
    // The stream's own end, and with it its checksum, has to come now.
    await bytes.end();
  } finally {
    await bytes.dispose();
  }
}

/** Takes a stream of byte arrays apart into pieces of the size asked for. */
class ByteReader {
  readonly #stream: AsyncGenerator<Uint8Array, void, void>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(stream: AsyncGenerator<Uint8Array, void, void>) {
    this.#stream = stream;
  }

  /** Fills the target. The stream itself throws when it ends too soon. */
  async fill(target: Uint8Array): Promise<void> {
    for (let at = 0; at < target.length; ) {
      if (this.#rest.length === 0) {
        const { done, value } = await this.#stream.next();
        if (done) throw new PixelError('damaged-picture', 'The image data end too soon: fetch the file again.');
        this.#rest = value;
      }
      const part = this.#rest.subarray(0, target.length - at);
      target.set(part, at);
      this.#rest = this.#rest.subarray(part.length);
      at += part.length;
    }
  }

  async end(): Promise<void> {
    await this.#stream.next();
  }

  async dispose(): Promise<void> {
    await this.#stream.return();
  }
}
