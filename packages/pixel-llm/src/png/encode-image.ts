/**
 * An ordinary compressed PNG of an image that people look at: heat maps, diagrams. Models are stored by picture-writer.ts instead.
 * Up to 256 colours become a palette picture, a quarter of the size. PNG specification (third edition), sections 7, 9 and 11.
 */
import { PixelError } from '../core/errors.ts';
import { encodeChunk, encodeHeader, MOST_IDAT_BYTES, PNG_SIGNATURE } from './chunks.ts';
import { joinBytes } from './picture-frame.ts';

/** An image in memory: RGBA, 8 bits each, not premultiplied, from the top left. */
export interface Image {
  readonly width: number;
  readonly height: number;
  /** [height, width, 4] */
  readonly pixels: Uint8Array;
}

const PALETTE_COLOURS = 256;
const FILTER_SUB = 1;

/** Returns the bytes of the file; `texts` become tEXt chunks (Latin-1). Throws `bad-argument` when the sizes do not fit. */
export async function encodeImage(
  image: Image,
  texts: Readonly<Record<string, string>> = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const { width, height, pixels } = image;
  if (!(width >= 1 && height >= 1) || pixels.length !== width * height * 4) {
    throw new PixelError('bad-argument', `An image of ${width} x ${height} has not ${pixels.length} bytes.`);
  }
  const palette = paletteOf(pixels);
  const lines = palette ? indexedLines(image, palette) : trueColourLines(image);
  const data = await deflate(lines);
  const chunks = [PNG_SIGNATURE, encodeHeader(width, height, palette ? 3 : 6)];
  for (const [keyword, text] of Object.entries(texts)) chunks.push(encodeChunk('tEXt', latin1(`${keyword}\0${text}`)));
  if (palette) chunks.push(...paletteChunks(palette));
  for (let at = 0; at < data.length; at += MOST_IDAT_BYTES) {
    chunks.push(encodeChunk('IDAT', data.subarray(at, at + MOST_IDAT_BYTES)));
  }
  chunks.push(encodeChunk('IEND', new Uint8Array(0)));
  return joinBytes(chunks);
}

/** Colour (as a 32-bit number) to index, or undefined when there are more than a palette holds. */
function paletteOf(pixels: Uint8Array): Map<number, number> | undefined {
  const palette = new Map<number, number>();
  let previous = -1;
  for (let at = 0; at < pixels.length; at += 4) {
    const colour = colourAt(pixels, at);
    if (colour === previous) continue;
    previous = colour;
    if (palette.has(colour)) continue;
    if (palette.size === PALETTE_COLOURS) return undefined;
    palette.set(colour, palette.size);
  }
  return palette;
}

function colourAt(pixels: Uint8Array, at: number): number {
  return ((pixels[at]! << 24) | (pixels[at + 1]! << 16) | (pixels[at + 2]! << 8) | pixels[at + 3]!) >>> 0;
}

/** One byte a pixel, unfiltered: differences of palette indices mean nothing. */
function indexedLines({ width, height, pixels }: Image, palette: ReadonlyMap<number, number>): Uint8Array<ArrayBuffer> {
  const lines = new Uint8Array(height * (width + 1));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      lines[y * (width + 1) + 1 + x] = palette.get(colourAt(pixels, (y * width + x) * 4)) ?? 0;
    }
  }
  return lines;
}

/** Four bytes a pixel, each as its difference from the pixel to the left. */
function trueColourLines({ width, height, pixels }: Image): Uint8Array<ArrayBuffer> {
  const bytes = width * 4;
  const lines = new Uint8Array(height * (bytes + 1));
  for (let y = 0; y < height; y++) {
    const [from, to] = [y * bytes, y * (bytes + 1) + 1];
    lines[to - 1] = FILTER_SUB;
    for (let i = 0; i < bytes; i++) lines[to + i] = pixels[from + i]! - (i < 4 ? 0 : pixels[from + i - 4]!);
  }
  return lines;
}

function paletteChunks(palette: ReadonlyMap<number, number>): Uint8Array[] {
  const colours = [...palette.keys()];
  const rgb = Uint8Array.from(
    colours.flatMap((colour) => [colour >>> 24, (colour >>> 16) & 255, (colour >>> 8) & 255]),
  );
  const alpha = Uint8Array.from(colours, (colour) => colour & 255);
  const chunks = [encodeChunk('PLTE', rgb)];
  if (alpha.some((value) => value !== 255)) chunks.push(encodeChunk('tRNS', alpha));
  return chunks;
}

/** The zlib format, as PNG wants it. */
async function deflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => (letter.charCodeAt(0) < 256 ? letter.charCodeAt(0) : 63));
}
