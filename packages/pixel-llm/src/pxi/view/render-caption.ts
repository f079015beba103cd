/** The text around a drawing: title and subtitle on top, the legend beside its field of colours below. */
import { textWidth } from './font.ts';
import { shortened } from './render-canvas.ts';
import { type DrawingPlan, type Label, MARGIN } from './render-plan.ts';

export interface Caption {
  readonly title: string;
  readonly subtitle: string;
  /** Under the left end, the middle and the right end of the field of colours. */
  readonly ends: readonly [left: string, middle: string, right: string];
  /** Beside it, six at most. */
  readonly lines: readonly string[];
}

const LEGEND_LINE = 13;

/** The caption's labels, each cut off where the drawing ends. */
export function captionLabels({ width, swatch }: DrawingPlan, { title, subtitle, ends, lines }: Caption): Label[] {
  const room = width - 2 * MARGIN;
  const column = swatch.x + swatch.width + 12;
  const [left, middle, right] = ends;
  const below = (text: string, x: number) => legendLabel(text, x, swatch.y + swatch.height + 3);
  return [
    { text: shortened(title, room, 2), x: MARGIN, y: MARGIN, scale: 2, tone: 'title' },
    { text: shortened(subtitle, room), x: MARGIN, y: MARGIN + 26, scale: 1, tone: 'legend' },
    below(left, swatch.x),
    below(middle, swatch.x + Math.round((swatch.width - textWidth(middle)) / 2)),
    below(right, swatch.x + swatch.width - textWidth(right)),
    ...lines.map((text, index) =>
      legendLabel(shortened(text, width - MARGIN - column), column, swatch.y + index * LEGEND_LINE),
    ),
  ];
}

/** What the colours of weights mean; `types`: which types they are stored in. */
export function weightLegend(plan: DrawingPlan, types: string): Pick<Caption, 'ends' | 'lines'> {
  const percent = `${Math.round(plan.leanRange * 100)} %`;
  return {
    ends: [`-${percent}`, '0', `+${percent}`],
    lines: [
      'brightness: mean |w| of a cell, 1st to 99th percentile of its tensor',
      `hue: balance of signs, -${percent} blue to +${percent} amber`,
      scaleText(plan),
      types,
    ],
  };
}

/** How many weights a pixel stands for, or pixels for a weight. */
export function scaleText({ cell, zoom }: DrawingPlan): string {
  if (cell > 1) return `scale: a pixel is a cell of ${cell} x ${cell} weights`;
  return zoom > 1 ? `scale: a weight is ${zoom} x ${zoom} pixels` : 'scale: a pixel is a weight';
}

function legendLabel(text: string, x: number, y: number): Label {
  return { text, x, y, scale: 1, tone: 'legend' };
}
