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
import { matrixOf, placeTensor, placeTensors } from '../weight-space.ts';
import { brightnessScale, type HeatMap, heatMapOf } from './heat-map.ts';
import { heatColor } from './heat-map-colors.ts';
import { formatCount, formatTypeMix, typeMix, weightCount } from './inspect-mix.ts';
import type { Canvas } from './render-canvas.ts';
import { type Caption, captionLabels, weightLegend } from './render-caption.ts';
import { baseName, beginDrawing, drawCells, drawLabels, drawSwatch, hatch, outlineAround } from './render-parts.ts';
import { type DrawingPlan, type DrawnTensor, drawnWidth, planDrawing } from './render-plan.ts';

export interface RenderOptions extends WorkOptions {
  /** Pixels across, at most. Default: about 1800. */
  width?: number | undefined;
}

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
  const space = placeTensors(layers, tensors, { overviewWidth: drawnWidth(width) });
  const plan = planDrawing(space, tensors, layers, { width });
  const caption = {
    title: metadataString(metadata, 'general.name') ?? baseName(source.name),
    subtitle: `${metadataString(metadata, 'general.architecture') ?? 'unknown architecture'}, ${blocks} ${blocks === 1 ? 'layer' : 'layers'}, ${formatCount(weights)} weights`,
    ...weightLegend(plan, `stored as ${formatTypeMix(typeMix(tensors.values()))}`),
  };
  return draw(source, plan, caption, work);
}

/** Draws one tensor: a weight a pixel or larger if that fits, else cells. Throws `unknown-tensor`, `unsupported-type`, `aborted`. */
export async function renderTensor(
  source: WeightSource,
  name: string,
  { width, ...work }: RenderOptions = {},
): Promise<Image> {
  const tensor = findTensor(source, name);
  const { rows, columns } = matrixOf(tensor);
  const plan = planDrawing(placeTensor(tensor), source.head.tensors, [], { width });
  const caption = {
    title: name,
    subtitle: `${tensorRole(name)}, ${rows} rows x ${columns} columns, in ${metadataString(source.head.metadata, 'general.name') ?? baseName(source.name)}`,
    ...weightLegend(plan, `stored as ${tensor.type.name}`),
  };
  return draw(source, plan, caption, work);
}

async function draw(
  source: WeightSource,
  plan: DrawingPlan,
  caption: Caption,
  { signal, onProgress }: WorkOptions,
): Promise<Image> {
  const canvas = beginDrawing(plan);
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
  // All colours: balance across, brightness upwards.
  drawSwatch(canvas, plan.swatch, (across, up) => heatColor(up, across));
  drawLabels(canvas, [...plan.labels, ...captionLabels(plan, caption)]);
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

function drawHeat(canvas: Canvas, drawn: DrawnTensor, maps: readonly HeatMap[], plan: DrawingPlan): void {
  const brightness = brightnessScale(maps);
  drawCells(canvas, drawn, maps, plan.zoom, ({ mean, balance }, at) =>
    heatColor(brightness(mean[at] ?? 0), (balance[at] ?? 0) / plan.leanRange),
  );
}
