/** The report of `inspect` as a page of text. What comes from the file is made harmless for a terminal first. */
import type { LayerReport, ModelReport, TensorReport } from '../pxi/view/inspect.ts';
import { formatCount, formatTypeMix } from '../pxi/view/inspect-mix.ts';
import type { TokenizerReport } from '../pxi/view/inspect-tokenizer.ts';
import type { Rectangle } from '../pxi/weight-space.ts';
import { printable } from './printable.ts';
import { formatBytes } from './progress-bar.ts';
import { plural, tableLines } from './table.ts';

const NUMERIC_COLUMNS: ReadonlySet<number> = new Set([2, 3]);

export interface InspectPageOptions {
  /** List the tensors of each layer shown. */
  tensors?: boolean | undefined;
}

/** A name, the facts, and a table of layers. Lines end in "\n". */
export function formatReport(report: ModelReport, { tensors = false }: InspectPageOptions = {}): string {
  const lines = [printable(report.name ?? report.source, 100), '', ...factLines(facts(report))];
  if (report.layers.length > 0) lines.push('', ...tableLines(layerRows(report, tensors), NUMERIC_COLUMNS));
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}

type Fact = readonly [label: string, text: string];

function facts(report: ModelReport): Fact[] {
  const { hyperParameters: own, weightSpace: space } = report;
  const list: Fact[] = [['file', `${printable(report.source, 200)}, ${storage(report)}`]];
  list.push(['architecture', printable(report.architecture ?? 'not said', 60)]);
  if (report.adapter) {
    const { type, alpha, weights, base } = report.adapter;
    const kind = type === 'lora' ? 'LoRA' : printable(type, 20);
    list.push([
      'adapter',
      `for "${printable(base ?? 'a model it does not name', 60)}": ${kind} of ${weights} weights, alpha ${alpha ?? 'not said'}`,
    ]);
  }
  if (report.tensors === 0) list.push(['weights', 'none: a vocabulary only']);
  else {
    const count = `${formatCount(report.weights)} (${report.weights.toLocaleString('en-US')})`;
    list.push(['weights', `${count} in ${plural(report.tensors, 'tensor')}, ${formatBytes(report.bytes)}`]);
    list.push(['stored as', formatTypeMix(report.types)]);
    list.push(['weight space', `${space.width} x ${space.height}`]);
  }
  list.push(...numbers('shape', own, SHAPE_KEYS), ...numbers('positions', own, POSITION_KEYS));
  const shown = new Set<string>([...SHAPE_KEYS, ...POSITION_KEYS].map(([key]) => key));
  const others = Object.entries(own).filter(([key]) => !shown.has(key));
  if (others.length > 0)
    list.push([
      'also',
      others.map(([key, value]) => `${printable(key, 60)} ${printable(String(value), 60)}`).join(', '),
    ]);
  list.push(...(report.tokenizer ? tokenizerFacts(report.tokenizer) : [['tokenizer', 'none'] as const]));
  for (const key of ['license', 'organization', 'quantized_by', 'description']) {
    const value = report.general[key];
    if (value !== undefined) list.push([key.replace('_', ' '), printable(String(value), 200)]);
  }
  return list;
}

const SHAPE_KEYS = [
  ['block_count', 'layers'],
  ['embedding_length', 'wide'],
  ['feed_forward_length', 'in the feed-forward'],
  ['attention.head_count', 'heads'],
  ['attention.head_count_kv', 'key/value heads'],
  ['vocab_size', 'vocabulary'],
] as const;
const POSITION_KEYS = [
  ['context_length', 'of context'],
  ['rope.freq_base', 'rotary base'],
  ['rope.dimension_count', 'rotary dimensions'],
  ['attention.sliding_window', 'window'],
] as const;

function numbers(
  label: string,
  own: ModelReport['hyperParameters'],
  keys: readonly (readonly [string, string])[],
): Fact[] {
  const texts = keys.flatMap(([key, word]) =>
    own[key] === undefined ? [] : [`${printable(String(own[key]), 60)} ${word}`],
  );
  return texts.length > 0 ? [[label, texts.join(', ')]] : [];
}

function storage({ format, pictures }: ModelReport): string {
  if (format === 'gguf' || !pictures) return 'GGUF';
  const [first] = pictures;
  const size = `${first?.width} x ${first?.height} pixels`;
  const how = pictures.every(({ access }) => access === 'mappable') ? '' : ', recompressed: it loads more slowly';
  return pictures.length === 1
    ? `a picture of ${size}${how}`
    : `${pictures.length} pictures, the first of ${size}${how}`;
}

function tokenizerFacts(tokenizer: TokenizerReport): Fact[] {
  const kind = { llama: 'SentencePiece', gpt2: 'byte-level BPE' }[tokenizer.model] ?? printable(tokenizer.model, 40);
  const pre = tokenizer.preTokenizer === undefined ? '' : ` (${printable(tokenizer.preTokenizer, 40)})`;
  const merges = tokenizer.merges > 0 ? `, ${tokenizer.merges} merges` : '';
  const chat = tokenizer.chatTemplate > 0 ? `template of ${tokenizer.chatTemplate} characters` : 'no template';
  const special = Object.entries(tokenizer.special).map(
    ([purpose, { id, text }]) =>
      `${printable(purpose, 20)} ${id}${text === undefined ? '' : ` ${printable(text, 30)}`}`,
  );
  const list: Fact[] = [['tokenizer', `${kind}${pre}, ${tokenizer.vocabulary} tokens${merges}`]];
  if (special.length > 0) list.push(['special', special.join(', ')]);
  return [...list, ['chat', chat]];
}

function factLines(list: readonly Fact[]): string[] {
  const width = list.reduce((most, [label]) => Math.max(most, label.length), 0);
  return list.map(([label, text]) => `  ${label.padEnd(width)}  ${text}`);
}

function layerRows({ layers, pictures }: ModelReport, tensors: boolean): string[][] {
  const inPicture = pictures !== undefined;
  const several = (pictures?.length ?? 0) > 1;
  const header = ['layer', tensors ? 'what it does' : 'tensors', 'weights', 'bytes', 'stored as'];
  const rows = [[...header, ...(inPicture ? ['lines of the picture'] : []), 'weight space (x, y, width x height)']];
  for (const layer of layers) {
    const { id, weights, bytes, types, weightSpace } = layer;
    const common = [
      id,
      tensors ? plural(layer.tensors.length, 'tensor') : String(layer.tensors.length),
      formatCount(weights),
      formatBytes(bytes),
      formatTypeMix(types),
    ];
    rows.push([...common, ...(inPicture ? [lineText(layer, several)] : []), rectangleText(weightSpace)]);
    if (tensors) for (const tensor of layer.tensors) rows.push(tensorRow(tensor, inPicture, several));
  }
  return rows;
}

function tensorRow(tensor: TensorReport, inPicture: boolean, several: boolean): string[] {
  const planes = (tensor.fileSpace ?? []).flatMap(({ file, planes: list }) =>
    list.map(({ plane, line, x }) => `${plane} ${several ? `${file}:` : ''}${line}${x > 0 ? `+${x}` : ''}`),
  );
  const shape = tensor.dimensions.join(' x ');
  return [
    `  ${printable(tensor.name, 60)}`,
    printable(tensor.role, 60),
    formatCount(tensor.weights),
    formatBytes(tensor.bytes),
    `${tensor.type} ${shape}`,
    ...(inPicture ? [planes.slice(0, 8).join(', ') + (planes.length > 8 ? ', ...' : '')] : []),
    rectangleText(tensor.weightSpace),
  ];
}

function lineText({ fileSpace = [] }: LayerReport, several: boolean): string {
  return fileSpace.map(({ file, first, end }) => `${several ? `${file}:` : ''}${first}-${end - 1}`).join(', ');
}

function rectangleText({ x, y, width, height }: Rectangle): string {
  return `${x}, ${y}, ${width} x ${height}`;
}
