/**
 * What a model is, as plain JSON data: its kind and size, its vocabulary, how it is stored, and its layers and tensors with their
 * places in both spaces. Reads the head only, never a weight; works on vocabularies without weights too.
 */
import { type Metadata, type MetadataValue, metadataString, type TensorInfo } from '../../gguf/head.ts';
import { type AdapterSummary, isAdapterHead, summarizeAdapter } from '../adapter.ts';
import { groupLayers, type LayerRole, tensorRole } from '../layers.ts';
import type { LineRange, TensorPart } from '../layout.ts';
import type { PictureSet } from '../picture-set.ts';
import type { StoredModel } from '../stored-model.ts';
import type { WeightSource } from '../weight-source.ts';
import { placeTensors, type Rectangle, type TensorRectangle } from '../weight-space.ts';
import { type TypeShare, typeMix, weightCount } from './inspect-mix.ts';
import { describeTokenizer, type TokenizerReport } from './inspect-tokenizer.ts';

/** A plane of a part in file space: from pixel `x` of `line` on. */
interface PlaneReport {
  readonly plane: string;
  readonly line: number;
  readonly x: number;
  readonly byteLength: number;
}

interface PartReport {
  readonly file: number;
  readonly rowStart: number;
  readonly rowEnd: number;
  readonly planes: readonly PlaneReport[];
}

export interface TensorReport {
  readonly name: string;
  readonly role: string;
  readonly type: string;
  /** Slowest first. */
  readonly dimensions: readonly number[];
  readonly weights: number;
  readonly bytes: number;
  /** Its place in weight space. */
  readonly weightSpace: TensorRectangle;
  /** Its place in the pixels of the files; only of a model in pictures. */
  readonly fileSpace?: readonly PartReport[];
}

export interface LayerReport {
  readonly id: string;
  readonly role: LayerRole;
  readonly weights: number;
  readonly bytes: number;
  readonly types: readonly TypeShare[];
  readonly weightSpace: Rectangle;
  /** Lines [first, end) of each file; only of a model in pictures. */
  readonly fileSpace?: readonly LineRange[];
  readonly tensors: readonly TensorReport[];
}

interface PictureReport {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly access: 'mappable' | 'decoded';
}

type Plain = number | string | boolean | readonly (number | string | boolean)[];

export interface ModelReport {
  readonly source: string;
  readonly format: 'gguf' | 'picture';
  /** The files of a model in pictures. */
  readonly pictures?: readonly PictureReport[];
  readonly name: string | undefined;
  readonly architecture: string | undefined;
  /** The architecture's own metadata, without its prefix: block_count, attention.head_count, ... */
  readonly hyperParameters: Readonly<Record<string, Plain>>;
  /** Metadata under "general.". */
  readonly general: Readonly<Record<string, Plain>>;
  /** Of an adapter: what it adapts. */
  readonly adapter?: AdapterSummary;
  readonly tokenizer: TokenizerReport | undefined;
  readonly weights: number;
  /** Bytes of all tensors. */
  readonly bytes: number;
  readonly tensors: number;
  readonly types: readonly TypeShare[];
  /** Size of weight space. */
  readonly weightSpace: { readonly width: number; readonly height: number };
  readonly layers: readonly LayerReport[];
}

/** Longer arrays of the metadata are left out. */
const MOST_LISTED = 64;

/** Describes a model; `pictures` is the set it is stored in, when it is. Throws `bad-metadata` for a name that is no text. */
export function inspectModel(source: WeightSource, { pictures }: { pictures?: PictureSet } = {}): ModelReport {
  const { metadata, tensors } = source.head;
  const architecture = metadataString(metadata, 'general.architecture');
  const grouped = groupLayers(tensors.values());
  const space = placeTensors(grouped, tensors);
  const stored = pictures && storageOf(pictures.model);
  const layers = grouped.map(({ id, role, tensors: names }): LayerReport => {
    const members = names.flatMap((name) => tensors.get(name) ?? []);
    const fileSpace = stored?.lines.get(id);
    return {
      id,
      role,
      ...sizesOf(members),
      types: typeMix(members),
      weightSpace: space.layers.get(id) ?? { x: 0, y: 0, width: 0, height: 0 },
      ...(fileSpace && { fileSpace }),
      tensors: members.flatMap((tensor) => {
        const place = stored?.places.get(tensor.name) ?? space.rectangles.get(tensor.name);
        return place ? [describeTensor(tensor, place, stored?.parts.get(tensor.name))] : [];
      }),
    };
  });
  return {
    source: source.name,
    format: pictures ? 'picture' : 'gguf',
    ...(pictures && {
      pictures: pictures.pictures.map(({ name, width, height, access }) => ({ name, width, height, access })),
    }),
    name: metadataString(metadata, 'general.name'),
    architecture,
    hyperParameters: architecture === undefined ? {} : plainMetadata(metadata, `${architecture}.`),
    general: plainMetadata(metadata, 'general.'),
    ...(isAdapterHead(source.head) && { adapter: summarizeAdapter(source.head) }),
    tokenizer: describeTokenizer(metadata),
    ...sizesOf([...tensors.values()]),
    tensors: tensors.size,
    types: typeMix(tensors.values()),
    weightSpace: { width: space.width, height: space.height },
    layers,
  };
}

function sizesOf(tensors: readonly TensorInfo[]): { weights: number; bytes: number } {
  const weights = tensors.reduce((sum, tensor) => sum + weightCount(tensor), 0);
  return { weights, bytes: tensors.reduce((sum, tensor) => sum + tensor.byteLength, 0) };
}

function describeTensor(tensor: TensorInfo, weightSpace: TensorRectangle, parts?: readonly PartReport[]): TensorReport {
  return {
    name: tensor.name,
    role: tensorRole(tensor.name),
    type: tensor.type.name,
    dimensions: tensor.dimensions.toReversed(),
    weights: weightCount(tensor),
    bytes: tensor.byteLength,
    weightSpace,
    ...(parts && { fileSpace: parts }),
  };
}

interface Storage {
  readonly lines: ReadonlyMap<string, readonly LineRange[]>;
  readonly parts: ReadonlyMap<string, readonly PartReport[]>;
  /** Where the manifest places the tensors in weight space. */
  readonly places: ReadonlyMap<string, TensorRectangle>;
}

/** File space as a person counts it: lines and pixels instead of raster offsets. */
function storageOf(model: StoredModel): Storage {
  const lineBytes = model.width * 4;
  const describePart = ({ file, rowStart, rowEnd, planes }: TensorPart, tensor: TensorInfo): PartReport => ({
    file,
    rowStart,
    rowEnd,
    planes: planes.map(({ offset, byteLength }, index) => ({
      plane: tensor.type.fields[index]?.name ?? '',
      line: Math.floor(offset / lineBytes),
      x: (offset % lineBytes) / 4,
      byteLength,
    })),
  });
  return {
    lines: new Map(model.layers.map(({ id, lines }) => [id, lines])),
    parts: new Map(
      model.tensors.map((tensor) => [tensor.name, tensor.parts.map((part) => describePart(part, tensor))]),
    ),
    places: new Map(model.tensors.map(({ name, place }) => [name, place])),
  };
}

function plainMetadata(metadata: Metadata, prefix: string): Record<string, Plain> {
  const plain: [string, Plain][] = [];
  for (const [key, entry] of metadata) {
    const value = key.startsWith(prefix) ? plainValue(entry) : undefined;
    if (value !== undefined) plain.push([key.slice(prefix.length), value]);
  }
  return Object.fromEntries(plain);
}

/** A value as JSON has it; undefined for long or nested arrays. */
function plainValue(entry: MetadataValue): Plain | undefined {
  if (entry.type !== 'array') return plainScalar(entry.type === 'float32' ? shortest(entry.value) : entry.value);
  if (entry.itemType === 'array' || entry.value.length > MOST_LISTED) return undefined;
  return Array.from(entry.value as ArrayLike<number | bigint | boolean | string>, plainScalar);
}

/** The shortest decimal number that gives the same float32: 0.00001 and not 0.000009999999747378752. */
function shortest(value: number | bigint | boolean | string): number | bigint | boolean | string {
  if (typeof value !== 'number') return value;
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}

/** 64-bit integers that a JSON number cannot hold become text; so do numbers that are not finite. */
function plainScalar(value: number | bigint | boolean | string): number | string | boolean {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}
