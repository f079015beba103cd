/** From a model's head to its Program: the one place that knows which architectures there are. */
import { PixelError } from '../core/errors.ts';
import type { WeightHead } from '../pxi/weight-source.ts';
import { llama } from './architectures/llama.ts';
import { qwen2 } from './architectures/qwen2.ts';
import { qwen3 } from './architectures/qwen3.ts';
import { toyMlp } from './architectures/toy-mlp.ts';
import type { ArchitectureInput } from './builder.ts';
import { readArchitecture } from './hyperparameters.ts';
import type { ActivationMode, Program } from './program.ts';

const ARCHITECTURES: Readonly<Record<string, (input: ArchitectureInput) => Program>> = {
  llama,
  qwen2,
  qwen3,
  'toy-mlp': toyMlp,
};

export interface BuildOptions {
  /** What products with block-quantized weights do with their activations. Default: `f32`. */
  activations?: ActivationMode;
}

/**
 * The forward pass of a model, as data. Inputs `tokens` and `positions`, outputs `logits` [outputs, vocab], `sampled` [outputs] and `hidden` [outputs, dim], what the last norm gives.
 * Throws `unknown-architecture` (also for a variant with other tensors), `bad-metadata`, `limit-exceeded`, `unknown-tensor` (also for a vocabulary without weights).
 */
export function buildProgram(head: WeightHead, { activations = 'f32' }: BuildOptions = {}): Program {
  const architecture = readArchitecture(head);
  const build = Object.hasOwn(ARCHITECTURES, architecture) ? ARCHITECTURES[architecture] : undefined;
  if (!build) {
    const known = Object.keys(ARCHITECTURES).join(', ');
    throw new PixelError(
      'unknown-architecture',
      `The model's architecture is ${JSON.stringify(architecture)}, which is not supported. Supported are: ${known}.`,
    );
  }
  const program = build({ head, activations });
  refuseUnusedTensors(head, program);
  return program;
}

/** A layer's tensor that no op reads means a variant of the architecture: it would run, and write nonsense. */
function refuseUnusedTensors(head: WeightHead, program: Program): void {
  const used = new Set(program.weights.map((weight) => weight.name));
  for (const name of head.tensors.keys()) {
    // Old files store the rotation frequencies, which the rope op computes.
    if (!name.startsWith('blk.') || used.has(name) || /\.(attn_rot_embd|rope_freqs)\b/.test(name)) continue;
    throw new PixelError(
      'unknown-architecture',
      `The model has a tensor "${name}", which the architecture ${program.architecture} does not use: it is a variant that is not supported.`,
    );
  }
}
