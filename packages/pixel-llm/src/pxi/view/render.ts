/**
 * The picture of a model that a person looks at: its weight space as a heat map, layers framed, tensors labelled, with a legend.
 * Works on any WeightSource, reads each weight once and holds no more than the drawing.
 */
import { isPixelError, PixelError } from '../../core/errors.ts';
import type { WorkOptions } from '../../core/progress.ts';
import { metadataString } from '../../gguf/head.ts';
import type { Image } from '../../png/encode-image.ts';
import { groupLayers, tensorRole } from '../layers.ts';
import { findTensor } from '../read-blocks.ts';
import type { WeightSource } from '../weight-source.ts';
import { matrixOf, placeTensor, placeTensors, type Rectangle } from '../weight-space.ts';
import { brightnessScale, type HeatMap, heatMapOf } from './heat-map.ts';
import { type Color, heatColor } from './heat-map-colors.ts';
import { formatCount, formatTypeMix, typeMix, weightCount } from './inspect-mix.ts';
import { Canvas } from './render-canvas.ts';
import { type DrawingPlan, type DrawnTensor, drawnWidth, type Label, planDrawing } from './render-plan.ts';

export interface RenderOptions extends WorkOptions {
  /** Pixels across, at most. Default: about 1800. */
  width?: number | undefined;
}

const BACKGROUND: Color = [13, 14, 20];
const FRAME: Color = [22, 24, 34];
const FRAME_LINE: Color = [44, 48, 66];
const TENSOR_LINE: Color = [70, 76, 100];
const TONES: Readonly<Record<Label['tone'], Color>> = {
  title: [240, 241, 248],
  layer: [201, 206, 226],
  tensor: [150, 157, 184],
  legend: [150, 157, 184],
};

/**
 * Draws the whole model. Tensors of a type that cannot be dequantized are drawn hatched.
 * Throws `bad-metadata` when there is no tensor at all, `aborted`, and what the source throws.
 */
export async function renderModel(source: WeightSource, { width, ...work }: RenderOptions = {}): Promise<Image> {
  const { tensors, metadata } = source.head;
  if (tensors.size === 0)
    throw new PixelError('bad-metadata', `${source.name} has no tensors to draw: it is a vocabulary.`);
  const layers = groupLayers(tensors.values());
  const blocks = layers.filter(({ role }) => role === 'layer').length;
  const weights = [...tensors.values()].reduce((sum, tensor) => sum + weightCount(tensor), 0);
  const plan = planDrawing(
    placeTensors(layers, tensors, { overviewWidth: drawnWidth(width) }),
    tensors,
    layers,
    {
      title: metadataString(metadata, 'general.name') ?? baseName(source.name),
      subtitle: `${metadataString(metadata, 'general.architecture') ?? 'unknown architecture'}, ${blocks} ${blocks === 1 ? 'layer' : 'layers'}, ${formatCount(weights)} weights`,
      types: `stored as ${formatTypeMix(typeMix(tensors.values()))}`,
    },
    { width },
  );
  return draw(source, plan, work);
}

/** Draws one tensor: a weight a pixel or larger if that fits, else cells. Throws `unknown-tensor`, `unsupported-type`, `aborted`. */
export async function renderTensor(
  source: WeightSource,
  name: string,
  { width, ...work }: RenderOptions = {},
): Promise<Image> {
  const tensor = findTensor(source, name);
  const { rows, columns } = matrixOf(tensor);
  const plan = planDrawing(
    placeTensor(tensor),
    source.head.tensors,
    [],
    {
      title: name,
      subtitle: `${tensorRole(name)}, ${rows} rows x ${columns} columns, in ${metadataString(source.head.metadata, 'general.name') ?? baseName(source.name)}`,
      types: `stored as ${tensor.type.name}`,
    },
    { width },
  );
  return draw(source, plan, work);
}

async function draw(source: WeightSource, plan: DrawingPlan, { signal, onProgress }: WorkOptions): Promise<Image> {
  const canvas = new Canvas(plan.width, plan.height, BACKGROUND);
  for (const frame of plan.frames) {
    canvas.fill(frame, FRAME);
    canvas.outline(frame, FRAME_LINE);
  }
  const tensors = plan.tensors.flatMap((drawn) => {
    const tensor = source.head.tensors.get(drawn.name);
    return tensor ? [{ drawn, tensor }] : [];
  });
  const total = tensors.reduce((sum, { tensor }) => sum + tensor.byteLength, 0);
  let done = 0;
  for (const { drawn, tensor } of tensors) {
    const onRows = (rows: number) => {
      done += (rows / matrixOf(tensor).rows) * tensor.byteLength;
      onProgress?.({ phase: 'drawing', done, total, unit: 'bytes' });
    };
    const maps = await mapsOf(source, drawn, plan.cell, { signal, onRows });
    if (maps) drawHeat(canvas, drawn, maps, plan);
    else {
      done += tensor.byteLength;
      hatch(canvas, drawn.area);
    }
    outlineAround(canvas, drawn.area);
  }
  drawSwatch(canvas, plan.swatch);
  for (const { text, x, y, scale, tone } of plan.labels) canvas.text(text, x, y, TONES[tone], scale);
  return canvas;
}

/** One map a part, or undefined for a type that has no numbers anyone here can read. */
async function mapsOf(
  source: WeightSource,
  { name, parts }: DrawnTensor,
  cell: number,
  options: { signal: WorkOptions['signal']; onRows: (rows: number) => void },
): Promise<HeatMap[] | undefined> {
  const maps: HeatMap[] = [];
  try {
    for (const { rows } of parts) maps.push(await heatMapOf(source, name, { cell, rows, ...options }));
    return maps;
  } catch (error) {
    if (isPixelError(error, 'unsupported-type')) return undefined;
    throw error;
  }
}

function drawHeat(canvas: Canvas, { area, parts }: DrawnTensor, maps: readonly HeatMap[], plan: DrawingPlan): void {
  const brightness = brightnessScale(maps);
  parts.forEach(({ x, y }, index) => {
    const map = maps[index];
    if (!map) return;
    const { zoom } = plan;
    // A vector is drawn as high as its area: one line of weights would not be seen.
    const height = map.height === 1 ? area.height : zoom;
    for (let row = 0; row < map.height; row++) {
      for (let column = 0; column < map.width; column++) {
        const at = row * map.width + column;
        const color = heatColor(brightness(map.mean[at] ?? 0), (map.balance[at] ?? 0) / plan.leanRange);
        canvas.fill({ x: x + column * zoom, y: y + row * zoom, width: zoom, height }, color);
      }
    }
  });
}

function hatch(canvas: Canvas, area: Rectangle): void {
  for (let y = 0; y < area.height; y++) {
    for (let x = y % 4; x < area.width; x += 4)
      canvas.fill({ x: area.x + x, y: area.y + y, width: 1, height: 1 }, TENSOR_LINE);
  }
}

function outlineAround(canvas: Canvas, { x, y, width, height }: Rectangle): void {
  canvas.outline({ x: x - 1, y: y - 1, width: width + 2, height: height + 2 }, TENSOR_LINE);
}

/** All colours: balance across, brightness upwards. */
function drawSwatch(canvas: Canvas, { x, y, width, height }: Rectangle): void {
  for (let line = 0; line < height; line++) {
    for (let column = 0; column < width; column++) {
      const color = heatColor(1 - line / (height - 1), (column / (width - 1)) * 2 - 1);
      canvas.fill({ x: x + column, y: y + line, width: 1, height: 1 }, color);
    }
  }
}

function baseName(path: string): string {
  return path.split(/[\\/]/).at(-1) ?? path;
}
