/**
 * What the architectures share: a ProgramBuilder that collects ops, names values and checks every weight against the model's tensors
 * as it is used. One method an op, each returning the name of the value it makes; then the blocks that several models have alike.
 */
import { PixelError } from '../core/errors.ts';
import type { TensorInfo } from '../gguf/head.ts';
import type { WeightHead } from '../pxi/weight-source.ts';
import type { CommonParameters } from './hyperparameters.ts';
import type {
  ActivationMode,
  AttentionAttributes,
  Dimension,
  Op,
  Program,
  ProgramState,
  ProgramValue,
  ProgramWeight,
  RopeAttributes,
} from './program.ts';

/** What an architecture's function is given. */
export interface ArchitectureInput {
  readonly head: WeightHead;
  /** `q8`: products with block-quantized weights round their activations to 8 bits. */
  readonly activations: ActivationMode;
}

export class ProgramBuilder {
  readonly #tensors: ReadonlyMap<string, TensorInfo>;
  readonly #activations: ActivationMode;
  readonly #weights = new Map<string, ProgramWeight>();
  readonly #values = new Map<string, ProgramValue>();
  readonly #state: ProgramState[] = [];
  readonly #ops: Op[] = [];

  constructor({ head, activations }: ArchitectureInput) {
    this.#tensors = head.tensors;
    this.#activations = activations;
  }

  has(tensor: string): boolean {
    return this.#tensors.has(tensor);
  }

  input(name: string): string {
    return this.#value(name, ['tokens'], 'i32');
  }

  /** KV cache of a layer. */
  state(name: string, kvHeads: number, headDim: number): string {
    this.#state.push({ name, kvHeads, headDim });
    return name;
  }

  embed(out: string, ids: string, table: string, [vocab, dim]: readonly [number, number]): string {
    const weights = [this.#weight(table, [vocab, dim])];
    this.#ops.push({ op: 'embed', in: [ids], weights, out, attributes: {} });
    return this.#value(out, [this.#leading(ids), dim]);
  }

  takeRows(out: string, x: string): string {
    this.#ops.push({ op: 'takeRows', in: [x], weights: [], out, attributes: {} });
    return this.#value(out, ['outputs', this.#width(x)]);
  }

  rmsNorm(out: string, x: string, gain: string, { epsilon, size }: { epsilon: number; size: number }): string {
    const weights = [this.#weight(gain, [size])];
    this.#ops.push({ op: 'rmsNorm', in: [x], weights, out, attributes: { epsilon, size } });
    return this.#value(out, [this.#leading(x), this.#width(x)]);
  }

  /** `NAME.weight`, plus `NAME.bias` where the model has one. */
  linear(out: string, x: string, name: string, rows: number): string {
    return this.matmul(out, x, `${name}.weight`, rows, `${name}.bias`);
  }

  matmul(out: string, x: string, matrix: string, rows: number, optionalBias = ''): string {
    const weights = [this.#weight(matrix, [rows, this.#width(x)])];
    if (optionalBias && this.has(optionalBias)) weights.push(this.#weight(optionalBias, [rows]));
    const quantized = (this.#tensors.get(matrix)?.type.blockElements ?? 1) > 1;
    const activations = quantized ? this.#activations : 'f32';
    this.#ops.push({ op: 'matmul', in: [x], weights, out, attributes: { activations } });
    return this.#value(out, [this.#leading(x), rows]);
  }

  rope(out: string, x: string, positions: string, attributes: RopeAttributes, factors?: string): string {
    const weights = factors === undefined ? [] : [this.#weight(factors, [attributes.rotaryDim / 2])];
    this.#ops.push({ op: 'rope', in: [x, positions], weights, out, attributes });
    return this.#value(out, [this.#leading(x), this.#width(x)]);
  }

  attention(out: string, inputs: readonly [q: string, k: string, v: string], attributes: AttentionAttributes): string {
    this.#ops.push({ op: 'attention', in: inputs, weights: [], out, attributes });
    return this.#value(out, [this.#leading(inputs[0]), this.#width(inputs[0])]);
  }

  gelu(out: string, x: string): string {
    this.#ops.push({ op: 'gelu', in: [x], weights: [], out, attributes: {} });
    return this.#value(out, [this.#leading(x), this.#width(x)]);
  }

  gatedSilu(out: string, gate: string, up: string): string {
    this.#ops.push({ op: 'gatedSilu', in: [gate, up], weights: [], out, attributes: {} });
    return this.#value(out, [this.#leading(gate), this.#width(gate)]);
  }

  add(out: string, a: string, b: string): string {
    this.#ops.push({ op: 'add', in: [a, b], weights: [], out, attributes: {} });
    return this.#value(out, [this.#leading(a), this.#width(a)]);
  }

  sample(out: string, logits: string): string {
    this.#ops.push({ op: 'sample', in: [logits], weights: [], out, attributes: {} });
    return this.#value(out, ['outputs'], 'i32');
  }

  build({ architecture, vocab, contextLength }: CommonParameters, inputs: string[], outputs: string[]): Program {
    return {
      formatVersion: 1,
      architecture,
      vocab,
      contextLength,
      weights: [...this.#weights.values()],
      state: this.#state,
      values: [...this.#values.values()],
      ops: this.#ops,
      inputs,
      outputs,
    };
  }

  #value(name: string, shape: readonly Dimension[], type: 'f32' | 'i32' = 'f32'): string {
    if (this.#values.has(name)) throw new PixelError('bad-program', `The value "${name}" is written twice.`);
    this.#values.set(name, type === 'f32' ? { name, shape } : { name, shape, type });
    return name;
  }

  #leading(value: string): Dimension {
    return this.#values.get(value)?.shape[0] ?? 'tokens';
  }

  #width(value: string): number {
    const width = this.#values.get(value)?.shape[1];
    if (typeof width !== 'number') throw new PixelError('bad-program', `The value "${value}" is not a table of rows.`);
    return width;
  }

  /** Registers a use of a weight after comparing the tensor's shape with what the architecture needs. */
  #weight(name: string, shape: readonly number[]): string {
    const tensor = this.#tensors.get(name);
    if (!tensor)
      throw new PixelError('unknown-tensor', `The model has no tensor "${name}", which its architecture needs.`);
    const found = shapeOf(tensor);
    if (found.join() !== shape.join()) {
      throw new PixelError(
        'bad-metadata',
        `The tensor "${name}" is ${found.join(' x ')}, but the model's hyper-parameters ask for ${shape.join(' x ')}.`,
      );
    }
    this.#weights.set(name, { name, shape, type: tensor.type.name });
    return name;
  }
}

/** Slowest dimension first, without trailing dimensions of 1 that ggml allows. */
function shapeOf(tensor: TensorInfo): number[] {
  const dimensions = [...tensor.dimensions];
  while (dimensions.length > 1 && dimensions.at(-1) === 1) dimensions.pop();
  return dimensions.reverse();
}
