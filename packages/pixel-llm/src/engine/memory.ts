/** The memory check before a model is loaded: what the backend will need, what the machine has, and what would fit if that is too little. */
import type { Backend } from '../backends/types.ts';
import { PixelError } from '../core/errors.ts';
import { canQuantize } from '../gguf/quantize.ts';
import { TENSOR_TYPES, type TensorType, tensorTypeByName } from '../gguf/tensor-types.ts';
import type { Program } from '../program/program.ts';

/** Bytes this process may still allocate, or undefined where nobody can tell (a browser). */
export type AvailableMemory = () => number | undefined;

export interface CachePages {
  readonly pageCount: number;
  readonly pageTokens: number;
  /** How many sequences share the pages. Default 1. */
  readonly sequences?: number;
}

/**
 * Bytes the model will need on the backend. Throws `out-of-memory` with need, have and what would fit when it does not; a device with
 * memory of its own (`gpu`) judges by itself.
 */
export function checkMemory(
  name: string,
  program: Program,
  backend: Backend,
  pages: CachePages,
  availableMemory: AvailableMemory,
): number {
  const need = neededBytes(program, backend, pages);
  const have = backend.device === 'gpu' ? undefined : availableMemory();
  if (have === undefined || need <= have) return need;
  const weights = weightBytes(program, backend, pages);
  throw new PixelError(
    'out-of-memory',
    `${name} needs ${gigabytes(need)} of memory on the device "${backend.device}" (${gigabytes(weights)} for the weights, ` +
      `${gigabytes(need - weights)} for a cache of ${pages.pageCount * pages.pageTokens} tokens), but only ${gigabytes(have)} are free: ` +
      `${advice(program, backend, pages, have)}.`,
    { details: { need, have, weights } },
  );
}

/** A token of the vocabulary with what the tokenizer makes of it, as measured by bench/loading.ts. */
const TOKEN_BYTES = 400;

function neededBytes(program: Program, backend: Backend, pages: CachePages): number {
  return backend.estimateBytes(program, pages) + TOKEN_BYTES * program.vocab;
}

/** What would fit: a shorter context, else a smaller type, else a smaller model. */
function advice(program: Program, backend: Backend, pages: CachePages, have: number): string {
  const context = fittingContext(program, backend, pages, have);
  if (context > 0) return `a context of ${context} tokens would fit (\`contextLength\`, --context)`;
  for (const type of smallerTypes(program)) {
    const smaller = requantized(program, type);
    const longest = fittingContext(smaller, backend, pages, have);
    if (longest === 0) continue;
    const size = gigabytes(weightBytes(smaller, backend, pages));
    return `in ${type.name} the weights would take ${size} and leave room for a context of ${longest} tokens (pixel-llm convert --type ${type.name})`;
  }
  const smallest = smallerTypes(program).at(-1) ?? mainType(program);
  const bytes = weightBytes(requantized(program, smallest), backend, pages) / weightCount(program.weights);
  return `take a smaller model: about ${billions(have / bytes)} weights in ${smallest.name} would fit`;
}

/** The longest context for which there is memory, at most the one asked for; 0 if there is none for a single page. */
function fittingContext(program: Program, backend: Backend, pages: CachePages, have: number): number {
  const { pageCount, pageTokens, sequences = 1 } = pages;
  const weights = weightBytes(program, backend, pages);
  const page = (neededBytes(program, backend, pages) - weights) / Math.max(1, pageCount);
  if (weights + page * sequences > have) return 0;
  const fitting = page > 0 ? Math.floor((have - weights) / page / sequences) : pageCount;
  return Math.min(fitting, Math.floor(pageCount / sequences)) * pageTokens;
}

function weightBytes(program: Program, backend: Backend, { pageTokens }: CachePages): number {
  return neededBytes(program, backend, { pageCount: 0, pageTokens });
}

/** Types that weights can be converted to and that are smaller than what most of them are in, the largest first. */
function smallerTypes(program: Program): TensorType[] {
  const now = bitsOf(mainType(program));
  return TENSOR_TYPES.filter((type) => canQuantize(type) && bitsOf(type) < now).toSorted(
    (a, b) => bitsOf(b) - bitsOf(a),
  );
}

/** What most weights are in. */
function mainType({ weights }: Program): TensorType {
  const names = new Set(weights.map(({ type }) => type));
  const counts = [...names].map((name) => ({ name, count: weightCount(weights.filter(({ type }) => type === name)) }));
  const [main] = counts.toSorted((a, b) => b.count - a.count);
  return tensorTypeByName(main?.name ?? 'F32')!;
}

function weightCount(weights: Program['weights']): number {
  return weights.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
}

/** Matrices in another type, where their rows are whole blocks of it. */
function requantized(program: Program, { name: type, blockElements }: TensorType): Program {
  const weights = program.weights.map((weight) => {
    const fits = weight.shape.length === 2 && (weight.shape[1] ?? 0) % blockElements === 0;
    return fits ? { ...weight, type } : weight;
  });
  return { ...program, weights };
}

function bitsOf({ blockBytes, blockElements }: TensorType): number {
  return (8 * blockBytes) / blockElements;
}

function gigabytes(bytes: number): string {
  return bytes >= 1e8 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function billions(count: number): string {
  return count >= 1e8 ? `${(count / 1e9).toFixed(1)} billion` : `${(count / 1e6).toFixed(1)} million`;
}
