/**
 * `pixel-llm verify MODEL --devices A,B`: does every op of the model compute the same on both? The first device is the yardstick; each of the
 * others is compared with it. Exit code 1, and the first op at which they part, if not.
 */
import { type CompareOptions, compareDevices, comparisonPages } from '../backends/compare/compare-devices.ts';
import type { DeviceComparison, OpComparison } from '../backends/compare/comparison.ts';
import { selectBackend } from '../backends/select.ts';
import type { Backend, DeviceName } from '../backends/types.ts';
import { PixelError } from '../core/errors.ts';
import { checkMemory } from '../engine/memory.ts';
import { availableMemory } from '../engine/node.ts';
import { openModelWeights } from '../map/node.ts';
import { buildProgram } from '../program/build-program.ts';
import type { ActivationMode, Program } from '../program/program.ts';
import type { WeightSource } from '../pxi/weight-source.ts';
import { createTokenizer } from '../tokenizer/tokenizer.ts';
import type { CommandContext } from './command.ts';
import { pulledModel } from './local-model.ts';
import { printable } from './printable.ts';

export interface VerifyDevicesFlags {
  /** As typed: whether there are such devices, selectBackend knows. */
  devices: string;
  prompt?: string;
  tokens: number;
  threads?: number;
  gpuAdapter?: string;
  gpuActivations?: ActivationMode;
  json?: boolean;
}

export async function verifyDevices(given: string, flags: VerifyDevicesFlags, context: CommandContext): Promise<void> {
  const [yardstick, ...others] = await backendsOf(flags);
  const path = await pulledModel(given, context);
  const weights = await openModelWeights(path, { signal: context.signal });
  try {
    const comparisons: DeviceComparison[] = [];
    for (const device of others) {
      // Where integer kernels round activations, the yardstick does, too, as the Program says so.
      const program = buildProgram(weights.head, { activations: device.activations });
      const prompt = promptOf(flags, program, weights);
      checkMemory(path, program, device, comparisonPages(program, prompt), availableMemory);
      const comparison = await context.withProgress((onProgress) => {
        const options: CompareOptions = { prompt, signal: context.signal, onProgress };
        return compareDevices(program, weights, yardstick!, device, options);
      });
      comparisons.push(comparison);
      if (!flags.json) await context.print(describe(path, comparison, program));
    }
    const agree = comparisons.every(({ first }) => first === undefined);
    if (flags.json) await context.print(`${JSON.stringify({ model: path, agree, comparisons }, undefined, 2)}\n`);
    if (!agree) process.exitCode = 1;
  } finally {
    await weights.dispose();
  }
}

/** Throws `bad-argument`, `unknown-device`. */
async function backendsOf({ devices, threads, gpuAdapter, gpuActivations }: VerifyDevicesFlags): Promise<Backend[]> {
  const names = devices.split(',').map((name) => name.trim());
  if (names.length < 2 || new Set(names).size < names.length) {
    throw new PixelError('bad-argument', '--devices takes two devices or more, the yardstick first: reference,cpu.');
  }
  return Promise.all(names.map((name) => selectBackend(name as DeviceName, { threads, gpuAdapter, gpuActivations })));
}

/** The text's tokens, or tokens from all over the vocabulary. */
function promptOf({ prompt, tokens }: VerifyDevicesFlags, program: Program, { head }: WeightSource): number[] {
  if (prompt !== undefined) return [...createTokenizer(head.metadata).encode(prompt, { addSpecial: true })];
  return Array.from({ length: tokens }, (_, index) => (1 + index * 7919) % program.vocab);
}

function describe(path: string, comparison: DeviceComparison, program: Program): string {
  const { yardstick, device, first, steps, ops } = comparison;
  const title = `${printable(path)}: ${ops.filter(({ op }) => op !== 'whole').length} results of "${device}" against "${yardstick}", over ${steps.join(', ')}`;
  return `${title}\n\n${table(comparison)}\n${first ? divergence(first, comparison, program) : `The devices "${yardstick}" and "${device}" agree.\n`}`;
}

const NOTES: Readonly<Partial<Record<OpComparison['op'], string>>> = {
  cache: 'keys and values as the cache keeps them',
  whole: 'the whole model once more, only its outputs read back',
};

/** One line a kind of op: how many, and where the difference is largest beside what is allowed. */
function table({ ops }: DeviceComparison): string {
  const lines = [['op', 'results', 'largest', 'allowed', 'where']];
  for (const kind of new Set(ops.map(({ op }) => op))) {
    const own = ops.filter(({ op }) => op === kind);
    const worst = own.reduce((a, b) => (excess(b) > excess(a) ? b : a));
    const where = [printable(worst.out), worst.step, ...(NOTES[kind] ? [NOTES[kind]] : [])].join(', ');
    lines.push([kind, String(own.length), scientific(worst.difference), scientific(worst.tolerance), where]);
  }
  const widths = [0, 1, 2, 3].map((column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines.map((line) => `${line.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')}\n`).join('');
}

function excess({ difference, tolerance }: OpComparison): number {
  return difference <= 0 ? 0 : difference / Math.max(tolerance, Number.MIN_VALUE);
}

function divergence(first: OpComparison, { yardstick, device }: DeviceComparison, program: Program): string {
  const op = program.ops[first.index];
  const width = first.shape.slice(1).reduce((product, size) => product * size, 1);
  const place = `row ${Math.floor(first.at / width)}, column ${first.at % width} of [${first.shape.join(', ')}]`;
  const layer = /^blk\.(\d+)\./.exec(first.out)?.[1];
  const whole = first.op === 'whole';
  const title = whole
    ? `"${device}" gives another "${first.out}" when nothing else is read back`
    : `"${yardstick}" and "${device}" part at op ${first.index} of ${program.ops.length}, ${first.op}${layer === undefined ? '' : ` of layer ${layer}`}, which writes "${first.out}"`;
  const lines = [
    `${title}.`,
    `  in:      ${first.step}`,
    ...(op && !whole ? [`  reads:   ${operands(op, program)}`] : []),
    `  apart:   ${scientific(first.difference)} of the largest value; ${scientific(first.tolerance)} is allowed`,
    `  largest: at ${place}: ${first.expected} expected, ${first.found} found`,
  ];
  return `${lines.map((line) => printable(line)).join('\n')}\n`;
}

/** "blk.0.attn_norm [tokens, 896], blk.0.attn_q.weight Q4_0 [896, 896]" */
function operands(op: Program['ops'][number], { values, weights }: Program): string {
  const read = op.in.map((name) => `${name} [${values.find((value) => value.name === name)?.shape.join(', ')}]`);
  const used = op.weights.map((name) => {
    const weight = weights.find((candidate) => candidate.name === name);
    return `${name} ${weight?.type} [${weight?.shape.join(', ')}]`;
  });
  return [...read, ...used].join(', ');
}

function scientific(value: number): string {
  return Number.isFinite(value) ? (value === 0 ? '0' : value.toExponential(1)) : 'infinite';
}
