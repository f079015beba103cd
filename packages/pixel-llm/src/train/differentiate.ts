/**
 * From a model's forward Program to its training Program: the forward pass without a cache and without sampling, the loss, then the
 * chain rule backwards, op by op (reverse-mode differentiation). Only what leads to a trained weight is differentiated.
 */
import { PixelError } from '../core/errors.ts';
import type { Op, Program } from '../program/program.ts';
import { TrainingBuilder } from '../program/training-builder.ts';
import type { ForwardOp, GradientOp, TrainingOp, TrainingProgram } from '../program/training-program.ts';

export interface DifferentiateOptions {
  /** Which weights learn. Default: all. */
  trains?: (weight: string) => boolean;
}

/** What is differentiated: an op of the forward pass as training runs it. */
type DifferentiableOp = ForwardOp | Extract<GradientOp, { op: 'selfAttention' }>;

/**
 * The training Program of a language model. Beside the forward pass's inputs it takes `targets` (the token that should come next,
 * -1 for none) and `lossWeights` (what an entry's loss counts: 1 / number of targets for their mean).
 * Products take their activations as they are, whatever the Program says. Throws `bad-program` for a Program without logits, or with
 * nothing that learns.
 */
export function differentiate(program: Program, { trains = () => true }: DifferentiateOptions = {}): TrainingProgram {
  if (!program.ops.some(({ out }) => out === 'logits')) {
    throw new PixelError('bad-program', 'Only a Program that makes "logits" can be trained.');
  }
  const builder = new TrainingBuilder(program.weights);
  for (const name of program.inputs) {
    builder.input(name, program.values.find((value) => value.name === name)?.type ?? 'f32');
  }
  builder.input('targets', 'i32');
  builder.input('lossWeights', 'f32');
  const forward = forwardOps(program);
  const loss: ForwardOp = { op: 'crossEntropy', in: ['logits', 'targets'], weights: [], out: 'loss', attributes: {} };
  for (const op of [...forward, loss]) builder.push(op);
  const backward = new Backward(builder, valuesThatLearn(forward, trains), trains);
  backward.add('logits', {
    op: 'crossEntropyGradient',
    in: ['logits', 'targets', 'lossWeights'],
    weights: [],
    attributes: {},
  });
  for (const op of forward.toReversed()) backward.through(op);
  const gradients = backward.weightGradients();
  if (gradients.length === 0) throw new PixelError('bad-program', 'No weight of the Program learns.');
  return builder.build({ loss: 'loss', gradients });
}

/** Attention over the batch instead of the cache; every row is kept; nothing is sampled. */
function forwardOps(program: Program): DifferentiableOp[] {
  const kept = new Map<string, string>();
  const source = (name: string): string => kept.get(name) ?? name;
  const ops: DifferentiableOp[] = [];
  for (const op of program.ops) {
    const inputs = op.in.map(source);
    if (op.op === 'takeRows') kept.set(op.out, inputs[0]!);
    else if (op.op !== 'sample') ops.push(trainingForm(op, inputs));
  }
  return ops;
}

function trainingForm(op: Exclude<Op, { op: 'takeRows' | 'sample' }>, inputs: readonly string[]): DifferentiableOp {
  if (op.op === 'attention') {
    const { state: _, ...attributes } = op.attributes;
    return { ...op, op: 'selfAttention', in: inputs, attributes };
  }
  if (op.op === 'matmul') return { ...op, in: inputs, attributes: { activations: 'f32' } };
  return { ...op, in: inputs };
}

/** Values that depend on a weight that learns. */
function valuesThatLearn(ops: readonly DifferentiableOp[], trains: (weight: string) => boolean): ReadonlySet<string> {
  const learns = new Set<string>();
  for (const op of ops) {
    if (op.in.some((name) => learns.has(name)) || op.weights.some(trains)) learns.add(op.out);
  }
  return learns;
}

type WithoutOut<AnyOp> = AnyOp extends TrainingOp ? Omit<AnyOp, 'out'> : never;

/** The gradients found so far, of values and weights, and the ops that make them. */
class Backward {
  readonly #builder: TrainingBuilder;
  readonly #learns: ReadonlySet<string>;
  readonly #trains: (weight: string) => boolean;
  /** The value that holds the gradient of a value, or of a weight. */
  readonly #ofValue = new Map<string, string>();
  readonly #ofWeight = new Map<string, string>();

  constructor(builder: TrainingBuilder, learns: ReadonlySet<string>, trains: (weight: string) => boolean) {
    this.#builder = builder;
    this.#learns = learns;
    this.#trains = trains;
  }

  weightGradients(): { weight: string; value: string }[] {
    return [...this.#ofWeight].map(([weight, value]) => ({ weight, value }));
  }

  /** The op makes a part of the gradient of `value`. */
  add(value: string, op: WithoutOut<TrainingOp>): void {
    if (this.#learns.has(value)) this.#collect(this.#ofValue, value, () => this.#push(value, op));
  }

  /** From the gradient of the op's result to those of its operands. */
  through(op: DifferentiableOp): void {
    const d = this.#ofValue.get(op.out);
    if (d === undefined) return;
    const [a = '', b = '', c = ''] = op.in;
    const { weights } = op;
    switch (op.op) {
      case 'embed':
        this.#addWeight(weights[0], { op: 'embedGradient', in: [a, d], weights, attributes: {} });
        break;
      case 'matmul':
        this.add(a, { op: 'matmulGradientInput', in: [d], weights: [weights[0]!], attributes: {} });
        this.#addWeight(weights[0], { op: 'matmulGradientMatrix', in: [d, a], weights: [], attributes: {} });
        this.#addWeight(weights[1], { op: 'sumRows', in: [d], weights: [], attributes: {} });
        break;
      case 'rmsNorm': {
        const { attributes } = op;
        this.add(a, { op: 'rmsNormGradientInput', in: [a, d], weights, attributes });
        this.#addWeight(weights[0], { op: 'rmsNormGradientGain', in: [a, d], weights: [], attributes });
        break;
      }
      case 'layerNorm': {
        const { attributes } = op;
        this.add(a, { op: 'layerNormGradientInput', in: [a, d], weights: [weights[0]!], attributes });
        this.#addWeight(weights[0], { op: 'layerNormGradientGain', in: [a, d], weights: [], attributes });
        const { size } = attributes;
        this.#addWeight(weights[1], { op: 'groupSums', in: [d], weights: [], attributes: { size } });
        break;
      }
      case 'rope':
        this.add(a, { op: 'ropeGradient', in: [d, b], weights, attributes: op.attributes });
        break;
      case 'selfAttention':
        this.#throughAttention(op, d);
        break;
      case 'silu':
      case 'gelu':
        this.add(a, { op: `${op.op}Gradient`, in: [a, d], weights: [], attributes: {} });
        break;
      case 'gatedSilu':
      case 'gatedGelu':
        this.add(a, { op: `${op.op}Gradient`, in: [a, b, d], weights: [], attributes: {} });
        this.add(b, { op: op.op, in: [a, d], weights: [], attributes: {} });
        break;
      case 'add':
        this.#pass(a, d);
        this.#pass(b, d);
        break;
      case 'mul':
        this.add(a, { op: 'mul', in: [d, b], weights: [], attributes: {} });
        this.add(b, { op: 'mul', in: [d, a], weights: [], attributes: {} });
        break;
      case 'scale':
        this.add(a, { op: 'scale', in: [d], weights: [], attributes: op.attributes });
        break;
      case 'softmax':
        this.add(a, { op: 'softmaxGradient', in: [op.out, d], weights: [], attributes: {} });
        break;
      case 'crossEntropy':
        throw new PixelError(
          'bad-program',
          `The loss inside a Program ("${op.out}", of "${c || a}") cannot be trained through.`,
        );
    }
  }

  #throughAttention(op: Extract<GradientOp, { op: 'selfAttention' }>, d: string): void {
    const { heads, kvHeads, headDim } = op.attributes;
    const together = `${op.out}.inputs.gradient`;
    this.#builder.push({ ...op, op: 'selfAttentionGradient', in: [...op.in, d], out: together });
    let from = 0;
    for (const [index, name] of op.in.entries()) {
      const count = (index === 0 ? heads : kvHeads) * headDim;
      this.add(name, { op: 'takeColumns', in: [together], weights: [], attributes: { from, count } });
      from += count;
    }
  }

  /** The gradient of the result is that of the operand, or a part of it. */
  #pass(value: string, d: string): void {
    if (this.#learns.has(value)) this.#collect(this.#ofValue, value, () => d);
  }

  #addWeight(weight: string | undefined, op: WithoutOut<TrainingOp>): void {
    if (weight !== undefined && this.#trains(weight)) {
      this.#collect(this.#ofWeight, weight, () => this.#push(weight, op));
    }
  }

  /** What is used twice gets the sum of two gradients. */
  #collect(gradients: Map<string, string>, name: string, make: () => string): void {
    const before = gradients.get(name);
    const part = make();
    const sum = { op: 'add', in: [before ?? '', part], weights: [], attributes: {} } as const;
    gradients.set(name, before === undefined ? part : this.#push(name, sum));
  }

  #push(of: string, op: WithoutOut<TrainingOp>): string {
    let out = `${of}.gradient`;
    for (let i = 2; this.#builder.has(out); i++) out = `${of}.gradient.${i}`;
    // Omit over a union keeps each member's name and attributes together; TypeScript does not see it when a field is added again.
    return this.#builder.push({ ...op, out } as TrainingOp);
  }
}
