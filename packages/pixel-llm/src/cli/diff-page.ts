/** What `diff` found as a page of text. What comes from the files is made harmless for a terminal first. */
import type { ChangeSummary } from '../pxi/view/compare-tensor.ts';
import type { DiffSide, LayerDiff, ModelDiff, TensorDiff } from '../pxi/view/diff.ts';
import { formatChange, formatCount, formatShare, formatTypeMix } from '../pxi/view/inspect-mix.ts';
import { printable } from './printable.ts';
import { plural, tableLines } from './table.ts';

export interface DiffPageOptions {
  /** List the tensors of each layer that changed. */
  tensors?: boolean | undefined;
}

const HEADER = ['layer', 'weights', 'changed', 'share', 'mean change', 'largest', 'where'];
const NUMERIC_COLUMNS: ReadonlySet<number> = new Set([1, 2, 3, 4, 5]);

/** The two models, a table of the layers that changed, and how many did not. Lines end in "\n". */
export function formatDiff(diff: ModelDiff, { tensors = false }: DiffPageOptions = {}): string {
  const changed = diff.layers.filter((layer) => layer.changed > 0);
  const lines = [`  A  ${sideText(diff.a)}`, `  B  ${sideText(diff.b)}`, ''];
  if (changed.length === 0) {
    lines.push(`  No weight differs: ${formatCount(diff.weights)} in ${plural(diff.layers.length, 'layer')}.`);
  } else {
    const rows = changed.flatMap((layer) => layerRows(layer, tensors));
    lines.push(...tableLines([HEADER, ...rows, summaryRow('all', diff)], NUMERIC_COLUMNS));
    const unchanged = diff.layers.length - changed.length;
    if (unchanged > 0) lines.push('', `  ${plural(unchanged, 'layer')} unchanged`);
  }
  if (diff.notFinite > 0) {
    lines.push('', `  Of the changed, ${diff.notFinite} are from or to what is no finite number, and in no mean.`);
  }
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}

function sideText({ source, types }: DiffSide): string {
  const stored = types.length > 0 ? `, stored as ${formatTypeMix(types)}` : '';
  return `${printable(source, 200)}${stored}`;
}

function layerRows(layer: LayerDiff, tensors: boolean): string[][] {
  const row = summaryRow(layer.id, layer);
  return tensors ? [row, ...layer.tensors.map(tensorRow)] : [row];
}

function tensorRow(tensor: TensorDiff): string[] {
  const [a, b] = tensor.types;
  return summaryRow(`  ${printable(tensor.name, 60)}${a === b ? '' : `, ${a} -> ${b}`}`, tensor, () => '');
}

/** `place`: how a tensor is named before its row and column. */
function summaryRow(
  label: string,
  { weights, changed, meanChange, largestChange: largest }: ChangeSummary,
  place = (tensor: string): string => `${printable(tensor, 60)} `,
): string[] {
  if (changed === 0) return [label, formatCount(weights), '0'];
  return [
    label,
    formatCount(weights),
    formatCount(changed),
    formatShare(changed / weights),
    formatChange(meanChange),
    largest ? formatChange(largest.size) : '',
    largest ? `${place(largest.tensor)}row ${largest.row}, column ${largest.column}` : '',
  ];
}
