/** A drawing surface in memory: filled and outlined rectangles, cells and text. Whatever lies outside is cut off. */
import type { Image } from '../../png/encode-image.ts';
import type { Rectangle } from '../weight-space.ts';
import { forEachTextPixel, LETTER_WIDTH } from './font.ts';
import type { Color } from './heat-map-colors.ts';

export class Canvas implements Image {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array<ArrayBuffer>;

  constructor(width: number, height: number, background: Color) {
    this.width = width;
    this.height = height;
    this.pixels = new Uint8Array(width * height * 4);
    this.fill({ x: 0, y: 0, width, height }, background);
  }

  fill({ x, y, width, height }: Rectangle, [red, green, blue]: Color): void {
    const [left, right] = [Math.max(0, x), Math.min(this.width, x + width)];
    const bottom = Math.min(this.height, y + height);
    for (let line = Math.max(0, y); line < bottom; line++) {
      for (let at = (line * this.width + left) * 4; at < (line * this.width + right) * 4; at += 4) {
        this.pixels[at] = red;
        this.pixels[at + 1] = green;
        this.pixels[at + 2] = blue;
        this.pixels[at + 3] = 255;
      }
    }
  }

  /** A line of one pixel along the inside of the rectangle's border. */
  outline({ x, y, width, height }: Rectangle, color: Color): void {
    this.fill({ x, y, width, height: 1 }, color);
    this.fill({ x, y: y + height - 1, width, height: 1 }, color);
    this.fill({ x, y, width: 1, height }, color);
    this.fill({ x: x + width - 1, y, width: 1, height }, color);
  }

  /** Text with its top left corner at a point; a letter takes 6 x 9 pixels times `scale`. */
  text(text: string, x: number, y: number, color: Color, scale = 1): void {
    forEachTextPixel(text, (dotX, dotY) => {
      this.fill({ x: x + dotX * scale, y: y + dotY * scale, width: scale, height: scale }, color);
    });
  }
}

/** The first of these texts that fits so many pixels, or undefined. */
export function firstFitting(texts: readonly string[], pixels: number, scale = 1): string | undefined {
  return texts.find((text) => text.length > 0 && (text.length * LETTER_WIDTH - 1) * scale <= pixels);
}

/** The text, cut off with two dots where it is longer than so many pixels. */
export function shortened(text: string, pixels: number, scale = 1): string {
  const letters = Math.max(0, Math.floor((pixels / scale + 1) / LETTER_WIDTH));
  return text.length <= letters ? text : `${text.slice(0, Math.max(0, letters - 2)).trimEnd()}..`;
}
