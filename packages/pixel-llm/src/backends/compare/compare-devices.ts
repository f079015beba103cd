/**
 * A whole model on two devices, op by op. The device under test runs the Program as it always does and gives all its values; the other
 * then computes each op from what the first had in front of it. So a difference belongs to the op that made it, and is never the sum of what
 * earlier ops did; and the device is tested as it runs, with its threads and its memory plan.
 */
import { isPixelError, throwIfAborted } from '../../core/errors.ts';
import type { WorkOptions } from '../../core/progress.ts';
import type { Op, Program } from '../../program/program.ts';
import type { WeightSource } from '../../pxi/weight-source.ts';
import { lengthOf } from '../check-batch.ts';
import { type Backend, type Batch, DEFAULT_PAGE_TOKENS, type Executor } from '../types.ts';
import type { DeviceComparison, OpComparison } from './comparison.ts';
import { type ComparisonStep, comparisonSteps } from './comparison-steps.ts';
import { CACHE_TOLERANCE, differenceOf, toleranceOf, type Values, WHOLE_TOLERANCE } from './difference.ts';
import { isolateOps, keptName, resultName, stretchesOf } from './isolate-ops.ts';
import { type Kept, readKept } from './kept-cache.ts';

export interface CompareOptions extends WorkOptions {
  /** Tokens of the prompt both are given. */
  readonly prompt: readonly number[];
}

/** Weights that the yardstick holds at once: 256 MB in f32. A single larger matrix still has to fit. */
const STRETCH_WEIGHTS = 1 << 26;

/** KV pages that `compareDevices` takes, for an estimate of memory. */
export function comparisonPages(
  program: Program,
  prompt: readonly number[],
): { pageCount: number; pageTokens: number } {
  const pageTokens = DEFAULT_PAGE_TOKENS;
  return { pageTokens, pageCount: comparisonSteps(program, prompt, pageTokens).pageCount };
}

/** Throws `bad-argument`, and what the backends and the source throw. */
export async function compareDevices(
  program: Program,
  weights: WeightSource,
  yardstick: Backend,
  device: Backend,
  { prompt, signal, onProgress }: CompareOptions,
): Promise<DeviceComparison> {
  const pageTokens = DEFAULT_PAGE_TOKENS;
  const { steps: wanted, pageCount } = comparisonSteps(program, prompt, pageTokens);
  const options = { pageTokens, pageCount, signal };
  const executor = await device.load(program, weights, { ...options, onProgress });
  const { steps, found } = await useAndDispose(executor, () => computeSteps(executor, wanted, { signal, onProgress }));
  const ops: OpComparison[] = [];
  for (const [start, end] of stretchesOf(program, STRETCH_WEIGHTS)) {
    onProgress?.({ phase: `comparing with ${yardstick.device}`, done: start, total: program.ops.length, unit: 'ops' });
    throwIfAborted(signal);
    const isolated = isolateOps(program, start, end);
    const exact = await yardstick.load(isolated, weights, options);
    ops.push(...(await useAndDispose(exact, () => compareStretch(program, [start, end], exact, steps, found, signal))));
  }
  onProgress?.({ phase: 'comparing', done: program.ops.length, total: program.ops.length, unit: 'ops' });
  ops.push(...compareWhole(program, steps, found));
  const first = ops.find(({ difference, tolerance }) => !(difference <= tolerance));
  return { yardstick: yardstick.device, device: device.device, steps: steps.map(({ what }) => what), ops, first };
}

/** What the device under test computed in one step. */
interface Found {
  /** Every value of the Program. */
  readonly values: ReadonlyMap<string, Values>;
  /** The Program's outputs, when nothing else was asked for. */
  readonly outputs: ReadonlyMap<string, Values>;
  /** By state: keys and values of the step's entries as the cache holds them. Undefined where the device does not let them out. */
  readonly kept: ReadonlyMap<string, Kept> | undefined;
}

/** Logits that are not numbers cannot be sampled from: then nothing is, so that the op they come from can be found. */
async function computeSteps(
  executor: Executor,
  steps: readonly ComparisonStep[],
  options: WorkOptions,
): Promise<{ steps: readonly ComparisonStep[]; found: readonly Found[] }> {
  try {
    return { steps, found: await computeAll(executor, steps, options) };
  } catch (error) {
    if (!isPixelError(error, 'not-finite')) throw error;
    const unsampled = steps.map(({ what, batch: { sampling: _, ...batch } }) => ({ what, batch }));
    return { steps: unsampled, found: await computeAll(executor, unsampled, options) };
  }
}

async function computeAll(
  executor: Executor,
  steps: readonly ComparisonStep[],
  { signal, onProgress }: WorkOptions,
): Promise<Found[]> {
  const { program, device } = executor;
  const all = program.values.map(({ name }) => name);
  const outputs = program.outputs.filter((name) => program.values.some((value) => value.name === name));
  const found: Omit<Found, 'outputs'>[] = [];
  for (const [index, { batch }] of steps.entries()) {
    onProgress?.({ phase: `computing on ${device}`, done: index, total: 2 * steps.length, unit: 'steps' });
    const { values } = await executor.step(batch, { readBack: all, signal });
    found.push({ values, kept: await readKept(executor, batch) });
  }
  // A second time from the start, as users run it; not in turns, for what this leaves in the cache may differ.
  const again: Found[] = [];
  for (const [index, { batch }] of steps.entries()) {
    const done = steps.length + index;
    onProgress?.({ phase: `computing on ${device}`, done, total: 2 * steps.length, unit: 'steps' });
    const { values } = await executor.step(batch, { readBack: outputs, signal });
    again.push({ ...found[index]!, outputs: values });
  }
  return again;
}

/** Computes the ops of a stretch from what the device had, and keeps the step in which each is furthest apart. */
async function compareStretch(
  program: Program,
  [start, end]: readonly [number, number],
  exact: Executor,
  steps: readonly ComparisonStep[],
  found: readonly Found[],
  signal: AbortSignal | undefined,
): Promise<OpComparison[]> {
  const worst = new Map<string, OpComparison>();
  for (const [stepIndex, { what, batch }] of steps.entries()) {
    const { values, kept } = found[stepIndex]!;
    const inputs = givenTo(exact.program, program, values, kept);
    const results = await exact.step({ ...batch, inputs }, { readBack: exact.program.outputs, signal });
    for (let index = start; index < end; index++) {
      const op = program.ops[index]!;
      const common = { index, out: op.out, step: what, shape: shapeOf(program, op.out, batch) };
      const tolerance = toleranceOf(op, program, { knowsCache: kept !== undefined });
      const difference = differenceOf(results.values.get(resultName(op.out))!, values.get(op.out)!);
      const comparisons = compareCache(op, values, kept).map((cache) => ({
        ...common,
        ...cache,
        shape: shapeOf(program, cache.out, batch),
      }));
      for (const comparison of [...comparisons, { ...common, op: op.op, tolerance, ...difference }]) {
        const key = `${index} ${comparison.op} ${comparison.out}`;
        const known = worst.get(key);
        if (!known || !(comparison.difference <= known.difference)) worst.set(key, comparison);
      }
    }
  }
  return [...worst.values()];
}

/** What an attention op keeps, beside the keys and values it was given. */
function compareCache(
  op: Op,
  values: ReadonlyMap<string, Values>,
  kept: ReadonlyMap<string, Kept> | undefined,
): Omit<OpComparison, 'index' | 'step' | 'shape'>[] {
  if (op.op !== 'attention' || !kept) return [];
  const own = kept.get(op.attributes.state)!;
  const pairs = [
    [op.in[1]!, own.keys],
    [op.in[2]!, own.values],
  ] as const;
  return pairs.map(([out, stored]) => ({
    op: 'cache',
    out,
    tolerance: CACHE_TOLERANCE,
    ...differenceOf(values.get(out)!, stored),
  }));
}

/** The inputs of an isolated Program: what the device under test computed and kept. */
function givenTo(
  isolated: Program,
  { ops }: Program,
  values: ReadonlyMap<string, Values>,
  kept: ReadonlyMap<string, Kept> | undefined,
): Record<string, Values> {
  const inputs = new Map(values);
  for (const op of ops) {
    if (op.op !== 'attention') continue;
    const own = kept?.get(op.attributes.state);
    const [keys, stored] = [op.in[1]!, op.in[2]!];
    inputs.set(keptName(keys), own?.keys ?? values.get(keys)!);
    inputs.set(keptName(stored), own?.values ?? values.get(stored)!);
  }
  return Object.fromEntries(isolated.inputs.map((name) => [name, inputs.get(name)!]));
}

function compareWhole(program: Program, steps: readonly ComparisonStep[], found: readonly Found[]): OpComparison[] {
  const comparisons: OpComparison[] = [];
  for (const [stepIndex, { what, batch }] of steps.entries()) {
    const { values, outputs } = found[stepIndex]!;
    for (const [out, again] of outputs) {
      // A token that is as good as another may be chosen instead.
      if (again instanceof Int32Array) continue;
      const shape = shapeOf(program, out, batch);
      const difference = differenceOf(values.get(out)!, again);
      const index = program.ops.length;
      comparisons.push({ op: 'whole', index, out, step: what, shape, tolerance: WHOLE_TOLERANCE, ...difference });
    }
  }
  return comparisons;
}

function shapeOf(program: Program, name: string, batch: Batch): number[] {
  const { shape } = program.values.find((value) => value.name === name)!;
  return shape.map((dimension) => lengthOf(dimension, batch));
}

async function useAndDispose<Result>(executor: Executor, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } finally {
    await executor.dispose();
  }
}
