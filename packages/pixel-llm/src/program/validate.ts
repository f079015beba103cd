/**
 * Checks a Program before anyone runs it, whether it was built here or read from JSON: its form, that every name stands for something,
 * that values are written once and before they are read, and that every op gets the shapes it needs.
 */
import type { z } from 'zod';
import { PixelError } from '../core/errors.ts';
import { type Operand, resultOf, sameDimensions } from './op-signatures.ts';
import type { Op, Program, ProgramState, ProgramWeight } from './program.ts';
import { programSchema } from './program-schema.ts';

/** Returns its argument as a Program. Throws `bad-program` that names the op, value or weight. */
export function validateProgram(candidate: unknown): Program {
  const parsed = programSchema.safeParse(candidate);
  if (!parsed.success) throw new PixelError('bad-program', `Not a Program: ${firstIssue(parsed.error)}`);
  const program = parsed.data;
  const scope = new Scope(program);
  for (const [index, op] of program.ops.entries()) scope.run(op, index);
  for (const output of program.outputs) scope.read(output, 'The list of outputs');
  return program;
}

/** The names of a Program, and which values have been written so far. */
class Scope {
  readonly #declared: ReadonlyMap<string, Operand>;
  readonly #weights: ReadonlyMap<string, ProgramWeight>;
  readonly #states: ReadonlyMap<string, ProgramState>;
  readonly #written = new Set<string>();
  readonly #usedStates = new Set<string>();

  constructor({ values, weights, state, inputs }: Program) {
    this.#declared = byName(values, 'value', ({ shape, type = 'f32' }) => ({ shape, type }));
    this.#weights = byName(weights, 'weight', (weight) => weight);
    this.#states = byName(state, 'state', (entry) => entry);
    for (const input of inputs) this.#write(input, 'The list of inputs');
  }

  run(op: Op, index: number): void {
    const where = `Op ${index} (${op.op})`;
    const inputs = op.in.map((name) => this.read(name, where));
    const weights = op.weights.map((name) => lookUp(this.#weights, name, 'weight', where).shape);
    const check = (holds: boolean, what: string): void => {
      if (!holds) throw new PixelError('bad-program', `${where}, which writes "${op.out}", needs ${what}.`);
    };
    const result = resultOf(op, { inputs, weights, check, stateOf: (name) => this.#states.get(name) });
    if (op.op === 'attention') {
      check(!this.#usedStates.has(op.attributes.state), 'a state of its own');
      this.#usedStates.add(op.attributes.state);
    }
    const declared = this.#write(op.out, where);
    const fits = declared.type === result.type && sameDimensions(declared.shape, result.shape);
    check(
      fits,
      `to write ${result.type} [${result.shape.join(', ')}], but the value is ${declared.type} [${declared.shape.join(', ')}]`,
    );
  }

  /** A value that has been written. */
  read(name: string, where: string): Operand {
    const value = lookUp(this.#declared, name, 'value', where);
    if (!this.#written.has(name)) throw new PixelError('bad-program', `${where} reads "${name}" before it is written.`);
    return value;
  }

  #write(name: string, where: string): Operand {
    const value = lookUp(this.#declared, name, 'value', where);
    if (this.#written.has(name)) throw new PixelError('bad-program', `${where} writes "${name}" a second time.`);
    this.#written.add(name);
    return value;
  }
}

function byName<Item extends { name: string }, Kept>(
  items: readonly Item[],
  kind: string,
  keep: (item: Item) => Kept,
): Map<string, Kept> {
  const map = new Map<string, Kept>();
  for (const item of items) {
    if (map.has(item.name)) throw new PixelError('bad-program', `The ${kind} "${item.name}" is declared twice.`);
    map.set(item.name, keep(item));
  }
  return map;
}

function lookUp<Item>(map: ReadonlyMap<string, Item>, name: string, kind: string, where: string): Item {
  const item = map.get(name);
  if (item === undefined)
    throw new PixelError('bad-program', `${where} names a ${kind} "${name}" that is not declared.`);
  return item;
}

function firstIssue(error: z.ZodError): string {
  const [issue] = error.issues;
  return issue ? `${issue.path.join('.') || 'it'}: ${issue.message}` : 'it has the wrong form';
}
