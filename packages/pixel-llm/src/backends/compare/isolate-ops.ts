/**
 * A stretch of a Program in which no op sees another's result: every value an op reads is an input. Given the values that another device
 * computed, it says what each single op should have made of them, so that a difference belongs to the op that made it.
 */
import { LIMITS } from '../../core/limits.ts';
import type { Op, Program, ProgramValue } from '../../program/program.ts';

/** The result of an op of an isolated Program, by the name of the value it stands for. */
export function resultName(value: string): string {
  return `${value} (result)`;
}

/** Keys or values as the other device's cache holds them, which may be rounded. */
export function keptName(value: string): string {
  return `${value} (kept)`;
}

/** The ops from `start` to `end - 1` as a Program of its own, with the weights and caches they need. */
export function isolateOps(program: Program, start: number, end: number): Program {
  const values = new Map(program.values.map((value) => [value.name, value]));
  const inputs = new Map<string, ProgramValue>();
  const results: ProgramValue[] = [];
  const ops = program.ops.slice(start, end).map((op): Op => {
    const read = givenNames(op);
    for (const [i, given] of read.entries()) inputs.set(given, { ...values.get(op.in[i]!)!, name: given });
    results.push({ ...values.get(op.out)!, name: resultName(op.out) });
    return { ...op, in: read, out: resultName(op.out) };
  });
  const weights = new Set(ops.flatMap((op) => op.weights));
  const states = new Set(ops.flatMap((op) => (op.op === 'attention' ? [op.attributes.state] : [])));
  return {
    ...program,
    weights: program.weights.filter(({ name }) => weights.has(name)),
    state: program.state.filter(({ name }) => states.has(name)),
    values: [...inputs.values(), ...results],
    ops,
    inputs: [...inputs.keys()],
    outputs: results.map(({ name }) => name),
  };
}

/** Where a Program is cut: as many ops together as need no more than `mostWeights` weights and as a Program may have inputs, or one. */
export function* stretchesOf({ ops, weights }: Program, mostWeights: number): Generator<readonly [number, number]> {
  const counts = new Map(weights.map(({ name, shape }) => [name, shape.reduce((count, size) => count * size, 1)]));
  let start = 0;
  let sum = 0;
  let inputs = new Set<string>();
  for (const [index, op] of ops.entries()) {
    const count = op.weights.reduce((total, name) => total + counts.get(name)!, 0);
    const read = new Set([...inputs, ...givenNames(op)]);
    if (index > start && (sum + count > mostWeights || read.size > LIMITS.programInputs)) {
      yield [start, index];
      start = index;
      sum = 0;
      inputs = new Set(givenNames(op));
    } else inputs = read;
    sum += count;
  }
  if (start < ops.length) yield [start, ops.length];
}

/** What an op reads as inputs of an isolated Program: attention keeps all but the queries in its cache. */
function givenNames({ op, in: names }: Op): string[] {
  return names.map((name, i) => (op === 'attention' && i > 0 ? keptName(name) : name));
}
