/**
 * What the device runs: the Program's ops as they are, or rewritten so that several become one dispatch. Rewriting joins ops only where
 * nobody else reads what lies between them; a caller who asks for such a value gets the Program as it is (`plainOps`).
 *
 *     norm, q/k/v products                 -> one product whose matrices lie one below the other
 *     head norms, rope of q and k, append  -> ropeAppend
 *     norm, gate/up products, activation   -> one product, gated
 *     product, add                         -> a product with a residual
 */
import type {
  AttentionAttributes,
  NormAttributes,
  Op,
  OpName,
  OpOf,
  Program,
  RopeAttributes,
} from '../../program/program.ts';
import { canStack, stackName } from './weight-store.ts';

interface ProductMatrix {
  /** Name of the weight; of a stack, `stackName`. */
  readonly weight: string;
  readonly rows: number;
}

interface HeadNorm {
  readonly gain: string;
  readonly epsilon: number;
}

/** `out` [T, rows of all matrices; half of them with `gate`]: f(norm(x) x matrices + bias) + residual. */
export interface ProductOp {
  readonly kind: 'product';
  readonly out: string;
  readonly x: string;
  readonly matrices: readonly ProductMatrix[];
  readonly columns: number;
  readonly activations: 'f32' | 'q8';
  /** Of all matrices' rows. */
  readonly bias?: string;
  readonly norm?: HeadNorm;
  /** One matrix: gates, and below them as many ups. */
  readonly gate?: 'gatedSilu' | 'gatedGelu';
  readonly residual?: string;
}

/** Turns queries and keys, stores keys and values: `qkv` [tokens, all three] -> `out`, the queries [tokens, heads x headDim]. */
export interface RopeAppendOp {
  readonly kind: 'ropeAppend';
  readonly out: string;
  readonly qkv: string;
  readonly positions: string;
  readonly rope: RopeAttributes;
  readonly factors?: string;
  readonly qNorm?: HeadNorm;
  readonly kNorm?: HeadNorm;
  readonly attention: AttentionAttributes;
}

export interface AppendOp {
  readonly kind: 'append';
  readonly k: string;
  readonly v: string;
  readonly state: string;
}

/** Attention over what is in the cache, the batch's own entries included. */
export interface AttendOp {
  readonly kind: 'attend';
  readonly out: string;
  readonly q: string;
  readonly attention: AttentionAttributes;
}

/** An op that is run as the Program has it. */
interface PlainOp {
  readonly kind: 'plain';
  readonly op: Exclude<Op, { op: 'matmul' | 'attention' }>;
}

export type PlanOp = ProductOp | RopeAppendOp | AppendOp | AttendOp | PlainOp;

export interface PlanOps {
  readonly ops: readonly PlanOp[];
  /** Width of the values that only the plan has, by name; as many rows as the value they are read with. */
  readonly internal: ReadonlyMap<string, number>;
  /** Weights that must lie one below the other. */
  readonly stacks: readonly (readonly string[])[];
}

/** One op after the other. */
export function plainOps(program: Program): PlanOps {
  return { ops: program.ops.flatMap((op) => plain(op, program)), internal: new Map(), stacks: [] };
}

/** `maxBindingBytes`: what one buffer of stacked weights may take. */
export function fusedOps(program: Program, maxBindingBytes: number): PlanOps {
  return new Fusion(program, maxBindingBytes).run();
}

/** The values that an op reads and writes. */
export function readsOf(op: PlanOp): string[] {
  switch (op.kind) {
    case 'product':
      return [op.x, ...(op.residual === undefined ? [] : [op.residual])];
    case 'ropeAppend':
      return [op.qkv];
    case 'append':
      return [op.k, op.v];
    case 'attend':
      return [op.q];
    case 'plain':
      return [...op.op.in];
  }
}

export function outOf(op: PlanOp): string | undefined {
  if (op.kind === 'plain') return op.op.out;
  return op.kind === 'append' ? undefined : op.out;
}

function plain(op: Op, program: Program): PlanOp[] {
  if (op.op === 'matmul') return [productOf(op, program)];
  if (op.op !== 'attention') return [{ kind: 'plain', op }];
  const [q = '', k = '', v = ''] = op.in;
  const { attributes: attention, out } = op;
  return [
    { kind: 'append', k, v, state: attention.state },
    { kind: 'attend', out, q, attention },
  ];
}

function productOf(
  { in: [x = ''], weights: [weight = '', bias], out, attributes }: OpOf<'matmul'>,
  program: Program,
): ProductOp {
  const [rows = 0, columns = 0] = program.weights.find(({ name }) => name === weight)?.shape ?? [];
  const product = { kind: 'product', out, x, matrices: [{ weight, rows }], columns } as const;
  return { ...product, activations: attributes.activations, ...(bias === undefined ? {} : { bias }) };
}

class Fusion {
  readonly #program: Program;
  readonly #maxBindingBytes: number;
  readonly #producers: ReadonlyMap<string, Op>;
  readonly #uses = new Map<string, number>();
  /** Ops that became part of another. */
  readonly #joined = new Set<Op>();
  readonly #internal = new Map<string, number>();
  readonly #stacks: string[][] = [];

  constructor(program: Program, maxBindingBytes: number) {
    this.#program = program;
    this.#maxBindingBytes = maxBindingBytes;
    this.#producers = new Map(program.ops.map((op) => [op.out, op]));
    // A Program's outputs are read by whoever runs it.
    for (const name of [...program.outputs, ...program.ops.flatMap((op) => op.in)]) {
      this.#uses.set(name, (this.#uses.get(name) ?? 0) + 1);
    }
  }

  run(): PlanOps {
    // An op is replaced where the last of those it is joined with stands; so all that it reads is there.
    const replaced = new Map<Op, PlanOp[]>();
    for (const op of this.#program.ops) {
      const joined =
        op.op === 'attention'
          ? this.#attention(op)
          : op.op === 'gatedSilu' || op.op === 'gatedGelu'
            ? this.#gated(op)
            : op.op === 'add'
              ? this.#residual(op)
              : undefined;
      if (joined) replaced.set(op, joined);
    }
    const ops = this.#program.ops.flatMap(
      (op) => replaced.get(op) ?? (this.#joined.has(op) ? [] : plain(op, this.#program)),
    );
    return { ops, internal: this.#internal, stacks: this.#stacks };
  }

  #attention({
    in: [qIn = '', kIn = '', v = ''],
    attributes: attention,
    out,
  }: OpOf<'attention'>): PlanOp[] | undefined {
    const q = this.#turned(qIn, attention.headDim);
    const k = this.#turned(kIn, attention.headDim);
    const products = [q?.product, k?.product, this.#once(v, 'matmul')];
    if (!q || !k || !products.every((product) => product !== undefined)) return undefined;
    const sameTurn = JSON.stringify(q.rope.attributes) === JSON.stringify(k.rope.attributes);
    if (!sameTurn || q.rope.in[1] !== k.rope.in[1] || q.rope.weights[0] !== k.rope.weights[0]) return undefined;
    const qkv = stackName(products.map((product) => product.out));
    const product = this.#together(products, qkv);
    if (!product) return undefined;
    for (const op of [q.rope, k.rope, ...(q.norm ? [q.norm] : []), ...(k.norm ? [k.norm] : [])]) this.#joined.add(op);
    this.#internal.set(
      qkv,
      product.matrices.reduce((sum, { rows }) => sum + rows, 0),
    );
    const turn: RopeAppendOp = {
      ...{ kind: 'ropeAppend', out: qIn, qkv, positions: q.rope.in[1] ?? '', rope: q.rope.attributes, attention },
      ...(q.rope.weights[0] === undefined ? {} : { factors: q.rope.weights[0] }),
      ...(q.norm ? { qNorm: headNorm(q.norm) } : {}),
      ...(k.norm ? { kNorm: headNorm(k.norm) } : {}),
    };
    return [product, turn, { kind: 'attend', out, q: qIn, attention }];
  }

  #gated({ op, in: [gate = '', up = ''], out }: OpOf<'gatedSilu'> | OpOf<'gatedGelu'>): PlanOp[] | undefined {
    const products = [this.#once(gate, 'matmul'), this.#once(up, 'matmul')];
    if (gate === up || !products.every((product) => product !== undefined)) return undefined;
    const product = this.#together(products, out, true);
    return product && [{ ...product, gate: op }];
  }

  #residual({ in: [a = '', b = ''], out }: OpOf<'add'>): PlanOp[] | undefined {
    for (const [product, residual] of [
      [this.#once(b, 'matmul'), a],
      [this.#once(a, 'matmul'), b],
    ] as const) {
      if (!product || a === b || this.#joined.has(product)) continue;
      this.#joined.add(product);
      return [{ ...productOf(product, this.#program), out, residual }];
    }
    return undefined;
  }

  /** The rope that makes a value, the head norm before it if there is one, and the product before that. */
  #turned(value: string, headDim: number) {
    const rope = this.#once(value, 'rope');
    const before = rope?.in[0] ?? '';
    const norm = this.#once(before, 'rmsNorm');
    if (norm && norm.attributes.size !== headDim) return undefined;
    const product = this.#once(norm?.in[0] ?? before, 'matmul');
    return rope && product && { rope, norm, product };
  }

  /** Products of one input as one; `stacked`: only if their weights can lie one below the other. */
  #together(products: readonly OpOf<'matmul'>[], out: string, stacked = false): ProductOp | undefined {
    const parts = products.map((product) => productOf(product, this.#program));
    const [first] = parts;
    const isAlike = parts.every(({ x, activations }) => x === first?.x && activations === first.activations);
    if (!first || !isAlike || products.some((product) => this.#joined.has(product))) return undefined;
    const biases = parts.flatMap(({ bias }) => (bias === undefined ? [] : [bias]));
    if (biases.length > 0 && (biases.length < parts.length || !this.#canStack(biases))) return undefined;
    const matrices = parts.flatMap((part) => part.matrices);
    const names = matrices.map(({ weight }) => weight);
    const isStacked = this.#canStack(names);
    if (stacked && !isStacked) return undefined;
    if (isStacked) this.#stacks.push(names);
    if (biases.length > 0) this.#stacks.push(biases);
    for (const product of products) this.#joined.add(product);
    const norm = first.activations === 'f32' ? this.#normBefore(first.x, products.length, first.columns) : undefined;
    const rows = matrices.reduce((sum, matrix) => sum + matrix.rows, 0);
    return {
      ...{ kind: 'product', out, columns: first.columns, activations: first.activations },
      ...{ x: norm?.in[0] ?? first.x, matrices: isStacked ? [{ weight: stackName(names), rows }] : matrices },
      ...(biases.length > 0 ? { bias: stackName(biases) } : {}),
      ...(norm ? { norm: headNorm(norm) } : {}),
    };
  }

  /** Weights that nobody else uses, of one layout. */
  #canStack(names: readonly string[]): boolean {
    return names.every((name) => this.#isUsedOnce(name)) && canStack(this.#weights(names), this.#maxBindingBytes);
  }

  /** The norm over whole rows that only these products read. */
  #normBefore(x: string, readers: number, columns: number): OpOf<'rmsNorm'> | undefined {
    const norm = this.#producers.get(x);
    if (norm?.op !== 'rmsNorm' || norm.attributes.size !== columns || this.#uses.get(x) !== readers) return undefined;
    this.#joined.add(norm);
    return norm;
  }

  /** The op of that name that makes a value, if nothing else reads the value. */
  #once<Name extends OpName>(value: string, name: Name): OpOf<Name> | undefined {
    const op = this.#producers.get(value);
    return op?.op === name && this.#uses.get(value) === 1 ? (op as OpOf<Name>) : undefined;
  }

  #weights(names: readonly string[]) {
    return names.map((name) => this.#program.weights.find((weight) => weight.name === name)!);
  }

  #isUsedOnce(weight: string): boolean {
    return this.#program.ops.filter(({ weights }) => weights.includes(weight)).length === 1;
  }
}

function headNorm({
  weights: [gain = ''],
  attributes: { epsilon },
}: {
  weights: readonly string[];
  attributes: NormAttributes;
}): HeadNorm {
  return { gain, epsilon };
}
