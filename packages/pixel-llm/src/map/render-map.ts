/** The plane as a person sees it from far: regions with their names and their pixels, everything written between them, and what overlays cover. */
import type { WorkOptions } from '../core/progress.ts';
import type { Image } from '../png/encode-image.ts';
import { LETTER_HEIGHT } from '../pxi/view/font.ts';
import type { Color } from '../pxi/view/heat-map-colors.ts';
import { Canvas, shortened } from '../pxi/view/render-canvas.ts';
import { BACKGROUND, FRAME_LINE } from '../pxi/view/render-parts.ts';
import type { Rectangle } from '../pxi/weight-space.ts';
import { describeRectangle, intersection } from './coordinates.ts';
import type { InfiniteMap } from './infinite-map.ts';
import type { MapRegion } from './tile-store.ts';

export interface RenderMapOptions extends WorkOptions {
  /** What to show. Default: all regions and tiles. */
  readonly area?: Rectangle | undefined;
  /** Names of overlays to look through, the lowest first; where they have tiles is marked. */
  readonly overlays?: readonly string[] | undefined;
  /** The most pixels across. Default: 1600. */
  readonly width?: number | undefined;
}

const USUAL_WIDTH = 1600;
const MARGIN = 24;
const HEADER = 40;
/** Smaller regions are drawn so large, so that they are seen. */
const LEAST_SIDE = 4;
const TITLE: Color = [240, 241, 248];
const TEXT: Color = [150, 157, 184];
const MARK: Color = [255, 190, 92];

/** Throws `unknown-overlay`, and what reading throws. */
export async function renderMap(map: InfiniteMap, options: RenderMapOptions = {}): Promise<Image> {
  const { overlays = [], width = USUAL_WIDTH, signal, onProgress } = options;
  const regions = await map.regions({ signal });
  const tiles = await tilePlaces(map, overlays, { signal });
  const area = options.area ?? frameOf([...regions, ...tiles.ground, ...tiles.overlaid]);
  const view = new Viewport(area, width - 2 * MARGIN);
  const canvas = new Canvas(view.width + 2 * MARGIN, view.height + HEADER + MARGIN, BACKGROUND);
  // What lies within a region is drawn with it.
  const outside = tiles.ground.filter((tile) => !regions.some((region) => intersection(region, tile)));
  const parts = [...regions, ...outside].flatMap((part) => intersection(part, area) ?? []);
  for (const [done, part] of parts.entries()) {
    await drawPart(map, canvas, view, part, { overlays, signal });
    onProgress?.({ phase: 'drawing', done: done + 1, total: parts.length, unit: 'tensors' });
  }
  for (const tile of tiles.overlaid) {
    const shared = intersection(tile, area);
    if (shared) canvas.outline(view.toPixels(shared), MARK);
  }
  for (const region of [...regions].sort((a, b) => b.width * b.height - a.width * a.height))
    labelRegion(canvas, view, region);
  const scale =
    view.cell > 1 ? `1 pixel = ${view.cell} x ${view.cell}` : `1 pixel of the map = ${view.zoom} x ${view.zoom}`;
  canvas.text(shortened(map.name.replace(/^.*[\\/]/, ''), view.width, 2), MARGIN, 10, TITLE, 2);
  const through = overlays.length > 0 ? `; through ${overlays.join(', ')} (framed)` : '';
  canvas.text(
    shortened(`${describeRectangle(area)}; ${scale}${through}`, view.width),
    MARGIN,
    HEADER - LETTER_HEIGHT,
    TEXT,
  );
  return canvas;
}

async function tilePlaces(
  map: InfiniteMap,
  overlays: readonly string[],
  options: WorkOptions,
): Promise<{ ground: Rectangle[]; overlaid: Rectangle[] }> {
  const view = await map.view(overlays, options);
  try {
    const size = view.tileSize;
    const places = { ground: [] as Rectangle[], overlaid: [] as Rectangle[] };
    for (const { sheet, x, y } of await view.listAll(options)) {
      places[sheet === 0 ? 'ground' : 'overlaid'].push({ x: x * size, y: y * size, width: size, height: size });
    }
    return places;
  } finally {
    await view.dispose();
  }
}

function frameOf(rectangles: readonly Rectangle[]): Rectangle {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const { x, y, width, height } of rectangles) {
    [left, top] = [Math.min(left, x), Math.min(top, y)];
    [right, bottom] = [Math.max(right, x + width), Math.max(bottom, y + height)];
  }
  if (left > right) return { x: 0, y: 0, width: 64, height: 64 };
  return { x: left, y: top, width: right - left, height: bottom - top };
}

/** From the plane to the drawing: `cell` pixels of the map a side share one, or one takes `zoom`. */
class Viewport {
  readonly cell: number;
  readonly zoom: number;
  readonly width: number;
  readonly height: number;
  readonly #area: Rectangle;

  constructor(area: Rectangle, most: number) {
    const longest = Math.max(area.width, area.height);
    this.#area = area;
    this.cell = Math.max(1, Math.ceil(longest / most));
    this.zoom = this.cell > 1 ? 1 : Math.max(1, Math.min(16, Math.floor(most / longest)));
    this.width = Math.ceil((area.width / this.cell) * this.zoom);
    this.height = Math.ceil((area.height / this.cell) * this.zoom);
  }

  toPixels({ x, y, width, height }: Rectangle): Rectangle {
    const scale = this.zoom / this.cell;
    return {
      x: MARGIN + Math.floor((x - this.#area.x) * scale),
      y: HEADER + Math.floor((y - this.#area.y) * scale),
      width: Math.max(LEAST_SIDE, Math.ceil(width * scale)),
      height: Math.max(LEAST_SIDE, Math.ceil(height * scale)),
    };
  }
}

/** One line of the map for each line of the drawing, and of it every `cell`th pixel. */
async function drawPart(
  map: InfiniteMap,
  canvas: Canvas,
  view: Viewport,
  part: Rectangle,
  options: { overlays: readonly string[]; signal: AbortSignal | undefined },
): Promise<void> {
  const { cell, zoom } = view;
  for (let row = 0; row < part.height; row += cell) {
    const line = { x: part.x, y: part.y + row, width: part.width, height: 1 };
    const pixels = await map.read(line, options);
    for (let column = 0; column < part.width; column += cell) {
      const [red = 0, green = 0, blue = 0] = pixels.subarray(column * 4, column * 4 + 3);
      const at = view.toPixels({ x: line.x + column, y: line.y, width: 1, height: 1 });
      canvas.fill({ x: at.x, y: at.y, width: zoom, height: zoom }, [red, green, blue]);
    }
  }
}

function labelRegion(canvas: Canvas, view: Viewport, region: MapRegion): void {
  const place = view.toPixels(region);
  canvas.outline(place, region.mount ? TITLE : FRAME_LINE);
  const text = shortened(`${region.name} (${region.kind})`, Math.max(place.width - 8, 60));
  const width = text.length * 6 + 6;
  canvas.fill({ x: place.x, y: place.y, width, height: LETTER_HEIGHT + 6 }, BACKGROUND);
  canvas.text(text, place.x + 3, place.y + 3, TITLE);
}
