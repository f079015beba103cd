/**
 * A model in pictures, as its manifest describes it and as everything here works with it: raster offsets instead of lines,
 * types from the table instead of names. A manifest may come from anyone: what contradicts itself stops here, before a
 * byte is read or a buffer made for it.
 */
import { PixelError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import type { GgufHead } from '../gguf/reader.ts';
import { isKnownType, type TensorType, tensorTypeById, unknownTensorType } from '../gguf/tensor-types.ts';
import { CREATED_BY } from '../png/manifest.ts';
import type { ContentGap, ContentTensor } from './convert/model-content.ts';
import type { FileRun, PlannedLayer, TensorPart } from './layout.ts';
import type { ManifestTensor, ModelKind, ModelManifest } from './manifest.ts';
import { storedRows } from './stored-rows.ts';
import type { TensorRectangle } from './weight-space.ts';

export interface StoredTensor extends ContentTensor {
  readonly sha256: string;
  readonly parts: readonly TensorPart[];
  /** Its place in weight space. */
  readonly place: TensorRectangle;
}

/** Bytes without structure: the head, or a gap. */
export interface StoredBytes {
  readonly byteLength: number;
  readonly sha256: string;
  readonly runs: readonly FileRun[];
}

export interface StoredModel {
  readonly kind: ModelKind;
  readonly set: { readonly id: string; readonly count: number };
  readonly width: number;
  /** Lines of content in each file, line 0 included. */
  readonly contentLines: readonly number[];
  /** Length of the GGUF file. */
  readonly byteLength: number;
  readonly head: StoredBytes;
  readonly gaps: readonly (StoredBytes & ContentGap)[];
  /** In directory order. */
  readonly tensors: readonly StoredTensor[];
  readonly layers: readonly PlannedLayer[];
}

/** Writes down a model. */
export function describeModel(model: StoredModel): ModelManifest {
  const lineBytes = model.width * 4;
  const place = (offset: number) => [Math.floor(offset / lineBytes), (offset % lineBytes) / 4] as const;
  const run = ({ file, offset, byteLength }: FileRun): [number, number, number, number] => [
    file,
    ...place(offset),
    byteLength,
  ];
  const bytes = ({ byteLength, sha256, runs }: StoredBytes) => ({ byteLength, sha256, runs: runs.map(run) });
  const tensor = (stored: StoredTensor): ManifestTensor => ({
    name: stored.name,
    type: [stored.type.name, stored.type.id],
    dimensions: [...stored.dimensions],
    position: stored.offset,
    sha256: stored.sha256,
    parts: stored.parts.map((part) => ({
      file: part.file,
      rows: part.rowEnd - part.rowStart,
      planes: part.planes.map(({ offset, byteLength }, index) => [
        stored.type.fields[index]?.name ?? '',
        ...place(offset),
        byteLength,
      ]),
    })),
    place: [
      stored.place.x,
      stored.place.y,
      stored.place.width,
      stored.place.height,
      stored.place.partRows,
      stored.place.partStride,
    ],
  });
  return {
    formatVersion: 1,
    kind: model.kind,
    createdBy: CREATED_BY,
    set: { id: model.set.id, index: 0, count: model.set.count },
    width: model.width,
    contentLines: [...model.contentLines],
    gguf: {
      byteLength: model.byteLength,
      head: bytes(model.head),
      gaps: model.gaps.map((gap) => ({ position: gap.position, ...bytes(gap) })),
    },
    tensors: model.tensors.map(tensor),
    layers: model.layers.map(({ id, role, tensors, lines }) => ({
      id,
      role,
      tensors: [...tensors],
      lines: lines.map(({ file, first, end }) => [file, first, end]),
    })),
  };
}

/** Understands a manifest. Throws `bad-manifest` where it contradicts itself. */
export function resolveManifest(manifest: ModelManifest, file: string): StoredModel {
  const lineBytes = manifest.width * 4;
  const run = (fileIndex: number, line: number, x: number, byteLength: number): FileRun => {
    const offset = line * lineBytes + x * 4;
    const end = (manifest.contentLines[fileIndex] ?? 0) * lineBytes;
    if (line >= 1 && x < manifest.width && offset + byteLength <= end) return { file: fileIndex, offset, byteLength };
    throw bad(file, `${byteLength} bytes at line ${line}, pixel ${x} lie outside file ${fileIndex + 1}`);
  };
  const bytes = (stored: ModelManifest['gguf']['head'], what: string): StoredBytes => {
    const runs = stored.runs.map((numbers) => run(...numbers));
    const total = runs.reduce((sum, { byteLength }) => sum + byteLength, 0);
    if (total !== stored.byteLength)
      throw bad(file, `${what} has ${stored.byteLength} bytes, but its runs have ${total}`);
    return { byteLength: total, sha256: stored.sha256, runs };
  };
  checkShape(manifest, file);
  const { gguf } = manifest;
  const model: StoredModel = {
    kind: manifest.kind,
    set: manifest.set,
    width: manifest.width,
    contentLines: manifest.contentLines,
    byteLength: gguf.byteLength,
    head: bytes(gguf.head, 'the GGUF head'),
    gaps: gguf.gaps.map((gap) => ({ position: gap.position, ...bytes(gap, `the gap at ${gap.position}`) })),
    tensors: manifest.tensors.map((tensor) => resolveTensor(tensor, run, file)),
    layers: manifest.layers.map(({ id, role, tensors, lines }) => ({
      id,
      role,
      tensors,
      lines: lines.map(([index, first, end]) => ({ file: index, first, end })),
    })),
  };
  checkRunsApart(model, file);
  checkPositionsApart(model, file);
  checkPadding(model, file);
  checkLayers(model, file);
  return model;
}

/**
 * Zeros of the GGUF file are not stored, only counted: a small picture must not make a file that fills the disk. Alignment
 * alone never asks for more. Throws `limit-exceeded`.
 */
export function checkPadding({ byteLength, head, tensors, gaps }: StoredModel, file: string): void {
  const content = [...tensors, ...gaps].reduce((sum, piece) => sum + piece.byteLength, head.byteLength);
  const most = (tensors.length + gaps.length + 1) * LIMITS.alignment;
  if (byteLength - content <= most) return;
  throw new PixelError(
    'limit-exceeded',
    `${file}: ${byteLength - content} bytes of zeros lie between its tensors and after them, above the limit of ${most}.`,
  );
}

/** Compares with the head that lies in the pixels: both must tell the same tensors. Throws `bad-manifest`. */
export function checkAgainstHead(model: StoredModel, head: GgufHead, file: string): void {
  const differs = head.tensors.findIndex((tensor, index) => {
    const stored = model.tensors[index];
    return (
      stored?.name !== tensor.name ||
      stored.type.id !== tensor.type.id ||
      stored.offset !== tensor.offset ||
      stored.byteLength !== tensor.byteLength ||
      stored.dimensions.join() !== tensor.dimensions.join()
    );
  });
  if (differs < 0 && head.tensors.length === model.tensors.length && head.headBytes.length === model.head.byteLength) {
    return;
  }
  const what = head.tensors[differs]?.name ?? model.tensors[head.tensors.length]?.name;
  throw bad(file, `manifest and GGUF head disagree${what === undefined ? '' : ` about tensor "${what}"`}`);
}

type MakeRun = (file: number, line: number, x: number, byteLength: number) => FileRun;

function resolveTensor(tensor: ManifestTensor, run: MakeRun, file: string): StoredTensor {
  const { name, dimensions, sha256, parts, place } = tensor;
  const what = `tensor "${name}"`;
  const type = resolveType(tensor, file);
  const stored = { name, type, dimensions, offset: tensor.position, byteLength: bytesOf(tensor, type, file) };
  const { rows, rowBlocks } = storedRows(stored);
  let rowStart = 0;
  const resolved = parts.map((part): TensorPart => {
    const rowEnd = rowStart + part.rows;
    if (part.rows === 0 || part.planes.length !== type.fields.length)
      throw bad(file, `${what} has a part that is no part`);
    const planes = part.planes.map(([field, line, x, byteLength], index) => {
      const expected = type.fields[index];
      if (field !== expected?.name) throw bad(file, `${what} of type ${type.name} has a plane "${field}"`);
      if (byteLength !== part.rows * rowBlocks * expected.bytes) {
        throw bad(file, `plane "${field}" of ${what} has ${byteLength} bytes, which do not make ${part.rows} rows`);
      }
      return run(part.file, line, x, byteLength);
    });
    const first = rowStart;
    rowStart = rowEnd;
    return { file: part.file, rowStart: first, rowEnd, planes };
  });
  if (stored.byteLength > 0 ? rowStart !== rows : parts.length > 0) {
    throw bad(file, `${what} has ${rows} rows, but its parts have ${rowStart}`);
  }
  const [x, y, width, height, partRows, partStride] = place;
  return { ...stored, sha256, parts: resolved, place: { x, y, width, height, partRows, partStride } };
}

function resolveType({ name, type: [typeName, id] }: ManifestTensor, file: string): TensorType {
  const type = tensorTypeById(id) ?? unknownTensorType(id);
  if (type.name !== typeName && isKnownType(type)) {
    throw bad(file, `tensor "${name}" is of type ${typeName} by name, but of ${type.name} by number`);
  }
  return type;
}

/** Checked product of blocks; an unknown type has as many bytes as are stored. */
function bytesOf({ name, dimensions, parts }: ManifestTensor, type: TensorType, file: string): number {
  if (!isKnownType(type)) return parts.reduce((sum, { rows }) => sum + rows, 0);
  const columns = dimensions[0] ?? 1;
  if (columns % type.blockElements !== 0) {
    throw bad(
      file,
      `tensor "${name}" has rows of ${columns} weights, no multiple of ${type.name}'s ${type.blockElements}`,
    );
  }
  let byteLength = (columns / type.blockElements) * type.blockBytes;
  for (const size of dimensions.slice(1)) byteLength *= size;
  if (byteLength <= LIMITS.tensorBytes) return byteLength;
  throw bad(file, `tensor "${name}" has more than ${LIMITS.tensorBytes} bytes`);
}

function checkShape(manifest: ModelManifest, file: string): void {
  const { width, contentLines, set } = manifest;
  if ((width & (width - 1)) !== 0) throw bad(file, `a width of ${width} is no power of two`);
  if (contentLines.length !== set.count) throw bad(file, `it describes ${contentLines.length} of ${set.count} files`);
  if (contentLines.some((lines) => lines > LIMITS.pictureSide)) throw bad(file, 'it describes files of too many lines');
  if (set.index !== 0) throw bad(file, `it is the whole manifest, but of file ${set.index + 1}`);
}

/** No two runs may share a byte: one would not be what its hash says. */
function checkRunsApart(model: StoredModel, file: string): void {
  const runs = [model.head, ...model.gaps].flatMap((stored) => stored.runs);
  for (const { parts } of model.tensors) for (const part of parts) runs.push(...part.planes);
  const filled = runs.filter(({ byteLength }) => byteLength > 0);
  filled.sort((a, b) => a.file - b.file || a.offset - b.offset);
  for (const [index, run] of filled.entries()) {
    const before = filled[index - 1];
    if (before && before.file === run.file && before.offset + before.byteLength > run.offset) {
      throw bad(file, `two runs share line ${Math.floor(run.offset / (model.width * 4))} of file ${run.file + 1}`);
    }
  }
}

/** Nor may two things claim the same bytes of the GGUF file. */
function checkPositionsApart(model: StoredModel, file: string): void {
  const pieces = [
    ...model.tensors.map(({ offset, byteLength }) => ({ position: offset, byteLength })),
    ...model.gaps,
  ].filter(({ byteLength }) => byteLength > 0);
  pieces.sort((a, b) => a.position - b.position);
  let end = model.head.byteLength;
  for (const { position, byteLength } of pieces) {
    if (position < end) throw bad(file, `byte ${position} of the GGUF file is claimed twice`);
    end = position + byteLength;
  }
  if (end > model.byteLength)
    throw bad(file, `the GGUF file has ${model.byteLength} bytes, but its content ends at ${end}`);
}

function checkLayers(model: StoredModel, file: string): void {
  const left = new Set(model.tensors.map(({ name }) => name));
  if (left.size !== model.tensors.length) throw bad(file, 'two tensors have the same name');
  for (const { id, tensors, lines } of model.layers) {
    const stranger = tensors.find((name) => !left.delete(name));
    if (stranger !== undefined)
      throw bad(file, `layer "${id}" lists tensor "${stranger}", which is not there or not its own`);
    const outside = lines.some(
      ({ file: index, first, end }) => first < 1 || end < first || end > (model.contentLines[index] ?? 0),
    );
    if (outside) throw bad(file, `the lines of layer "${id}" lie outside its files`);
  }
  if (left.size > 0) throw bad(file, `tensor "${[...left][0]}" is in no layer`);
}

function bad(file: string, what: string): PixelError {
  return new PixelError('bad-manifest', `${file}: its manifest makes no sense: ${what}.`);
}
