/**
 * The picture of what changed from one model to another: weight space as `render` draws it, coloured by how each weight changed.
 * Reads both models once, and holds no more than the drawing and one number a cell.
 */
import { PixelError } from '../../core/errors.ts';
import type { Image } from '../../png/encode-image.ts';
import { groupLayers } from '../layers.ts';
import type { WeightSource } from '../weight-source.ts';
import { placeTensors } from '../weight-space.ts';
import { ChangeMap, changeScale } from './change-map.ts';
import type { ChangedRows, ChangeSummary } from './compare-tensor.ts';
import { type DiffSide, diffModels, type ModelDiff } from './diff.ts';
import { type Color, heatColor } from './heat-map-colors.ts';
import { formatChange, formatCount, formatShare, formatTypeMix } from './inspect-mix.ts';
import type { RenderOptions } from './render.ts';
import type { Canvas } from './render-canvas.ts';
import { type Caption, captionLabels, scaleText } from './render-caption.ts';
import {
  BACKGROUND,
  baseName,
  beginDrawing,
  drawCells,
  drawLabels,
  drawSwatch,
  FRAME_LINE,
  outlineAround,
} from './render-parts.ts';
import { type DrawingPlan, type DrawnTensor, drawnWidth, planDrawing } from './render-plan.ts';

export interface DrawnDiff {
  readonly image: Image;
  readonly diff: ModelDiff;
}

/** Tensors in which something changed stand out, however little of them it is. */
const CHANGED_LINE: Color = [132, 140, 172];
/** Frames around single cells, in pixels: of tensors with few, drawn small. */
const MARK: Color = [186, 192, 214];
const MARK_DISTANCE = 4;
const MOST_MARKED = 8;
const MARKED_BELOW = 6;
/** The field of colours says one thing only: a band is enough. */
const SWATCH_HEIGHT = 28;
/** Brightness of the smallest and the largest change: both are told from the dark, and neither is so light that its hue is lost. */
const [LEAST_BRIGHTNESS, MOST_BRIGHTNESS] = [0.2, 0.82];

/**
 * Draws the change from A to B: each cell has the colour of its largest change, and is dark where nothing changed.
 * Throws `bad-metadata` when there is no tensor at all, and as `diffModels`.
 */
export async function renderDiff(a: WeightSource, b: WeightSource, options?: RenderOptions): Promise<Image> {
  return (await drawDiff(a, b, options)).image;
}

/** The picture, and the numbers that the same pass found. Throws as `renderDiff`. */
export async function drawDiff(
  a: WeightSource,
  b: WeightSource,
  { width, ...work }: RenderOptions = {},
): Promise<DrawnDiff> {
  const { tensors } = a.head;
  if (tensors.size === 0) throw new PixelError('bad-metadata', `${a.name} has no tensors to draw: it is a vocabulary.`);
  const maps = new Map<string, ChangeMap[]>();
  const plan = planDiff(a, { width });
  const diff = await diffModels(a, b, { ...work, onChanges: (rows) => addChanges(maps, rows, plan) });
  return { image: draw(planDiff(a, { width, diff }), diff, maps), diff };
}

/** Where things stand is known before the weights are read; the labels then say what was found. */
function planDiff(
  { head: { tensors } }: WeightSource,
  { width, diff }: { width: number | undefined; diff?: ModelDiff },
): DrawingPlan {
  const layers = groupLayers(tensors.values());
  const space = placeTensors(layers, tensors, { overviewWidth: drawnWidth(width) });
  const ofLayer = new Map(diff?.layers.map((layer) => [layer.id, changedShare(layer)]));
  const ofTensor = new Map(
    diff?.layers.flatMap((layer) => layer.tensors.map((tensor) => [tensor.name, changedShare(tensor)])),
  );
  const plan = planDrawing(space, tensors, layers, {
    width,
    layerNote: (id) => ofLayer.get(id) ?? '',
    tensorNote: ({ name }) => ofTensor.get(name) ?? '',
  });
  return { ...plan, swatch: { ...plan.swatch, height: SWATCH_HEIGHT } };
}

function changedShare({ changed, weights }: ChangeSummary): string {
  return changed === 0 ? '' : formatShare(changed / weights);
}

/** Finds the parts of the tensor that the rows lie in; maps are made only of tensors that changed. */
function addChanges(maps: Map<string, ChangeMap[]>, rows: ChangedRows, { tensors, cell }: DrawingPlan): void {
  let parts = maps.get(rows.tensor);
  if (!parts) {
    const drawn = tensors.find(({ name }) => name === rows.tensor);
    parts = (drawn?.parts ?? []).map((part) => new ChangeMap(part.rows, rows.columns, cell));
    maps.set(rows.tensor, parts);
  }
  for (const part of parts) part.add(rows);
}

function draw(plan: DrawingPlan, diff: ModelDiff, maps: ReadonlyMap<string, readonly ChangeMap[]>): Image {
  const canvas = beginDrawing(plan);
  const scale = changeScale([...maps.values()].flat());
  const changed = new Set(diff.layers.flatMap(({ tensors }) => tensors.filter(isChanged).map(({ name }) => name)));
  for (const drawn of plan.tensors) {
    canvas.fill(drawn.area, BACKGROUND);
    drawCells(canvas, drawn, maps.get(drawn.name) ?? [], plan.zoom, ({ changes }, at) => {
      const change = changes[at] ?? 0;
      return change === 0 ? undefined : changeColor(change / scale);
    });
    markFew(canvas, drawn, maps.get(drawn.name) ?? [], plan.zoom);
    outlineAround(canvas, drawn.area, changed.has(drawn.name) ? CHANGED_LINE : FRAME_LINE);
  }
  drawSwatch(canvas, plan.swatch, (across) => changeColor(across));
  drawLabels(canvas, [...plan.labels, ...captionLabels(plan, captionOf(plan, diff, scale))]);
  return canvas;
}

/** A few dots in a large dark field would be overlooked: each gets a frame. */
function markFew(canvas: Canvas, { parts }: DrawnTensor, maps: readonly ChangeMap[], zoom: number): void {
  if (zoom >= MARKED_BELOW || maps.reduce((sum, map) => sum + map.countChanged(), 0) > MOST_MARKED) return;
  const side = zoom + 2 * MARK_DISTANCE;
  maps.forEach(({ changes, width, height }, index) => {
    const { x, y } = parts[index] ?? { x: 0, y: 0 };
    changes.forEach((change, at) => {
      if (change === 0 || height === 1) return;
      const [left, top] = [(at % width) * zoom - MARK_DISTANCE, Math.floor(at / width) * zoom - MARK_DISTANCE];
      canvas.outline({ x: x + left, y: y + top, width: side, height: side }, MARK);
    });
  });
}

function isChanged({ changed }: ChangeSummary): boolean {
  return changed > 0;
}

/** Of a change over the scale, -1 to 1 (more is cut off); 0 is dark. The root gives small changes more of the scale. */
function changeColor(change: number): Color {
  if (change === 0) return BACKGROUND;
  const strength = Math.min(1, Math.abs(change)) ** 0.5;
  return heatColor(LEAST_BRIGHTNESS + (MOST_BRIGHTNESS - LEAST_BRIGHTNESS) * strength, Math.sign(change));
}

function captionOf(plan: DrawingPlan, diff: ModelDiff, scale: number): Caption {
  const { a, b, changed, weights, notFinite, meanChange, largestChange: largest } = diff;
  const count = `${formatCount(changed)} of ${formatCount(weights)} weights`;
  const found = largest
    ? `changed: ${formatShare(changed / weights)}, ${count}; mean ${formatChange(meanChange)}`
    : `changed: ${changed === 0 ? 'no weight' : count}`;
  const most =
    largest &&
    `largest: ${formatChange(largest.size)} in ${largest.tensor}, row ${largest.row}, column ${largest.column}`;
  const lost = notFinite > 0 ? `red: ${formatCount(notFinite)} changes that are not finite` : undefined;
  const [nameA, nameB] = namesOf(a, b);
  return {
    title: `${nameA} -> ${nameB}`,
    subtitle: [found, most, lost].filter((text) => text !== undefined).join('; '),
    ends: scale > 0 ? [`-${formatChange(scale)}`, '0', `+${formatChange(scale)}`] : ['less', '0', 'more'],
    lines: [
      'colour: B - A, the largest change of each cell; dark is unchanged',
      'full colour: the 99th percentile of the cells that changed',
      'percentages: weights changed; a small frame marks a lone change',
      scaleText(plan),
      `A: ${nameA}, stored as ${formatTypeMix(a.types)}`,
      `B: ${nameB}, stored as ${formatTypeMix(b.types)}`,
    ],
  };
}

/** File names; with their folders where those alone tell the two apart. */
function namesOf({ source: a }: DiffSide, { source: b }: DiffSide): [a: string, b: string] {
  return baseName(a) === baseName(b) ? [a, b] : [baseName(a), baseName(b)];
}
