/**
 * How a model's context was extended: the `rope.scaling.*` metadata as attributes of the rope op.
 * Llama 3's frequency factors are a weight (`rope_freqs.weight`) and not read here.
 */
import { PixelError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import type { ArchitectureMetadata } from './architecture-metadata.ts';
import type { RopeAttributes, YarnAttributes } from './program.ts';

/** Throws `bad-metadata` for a kind of scaling that is not known, so that no model is run with wrong angles. */
export function readRopeScaling(
  metadata: ArchitectureMetadata,
  contextLength: number,
): Pick<RopeAttributes, 'linearFactor' | 'yarn'> {
  // A factor without a type means linear; `rope.scale_linear` is its older name.
  const type = metadata.text('rope.scaling.type') ?? 'linear';
  const factor = readFactor(metadata);
  switch (type) {
    case 'none':
      return { linearFactor: 1 };
    case 'linear':
      return { linearFactor: factor };
    case 'yarn':
      return { linearFactor: 1, yarn: readYarn(metadata, factor, contextLength) };
    default:
      throw new PixelError(
        'bad-metadata',
        `The model's "${metadata.key('rope.scaling.type')}" is "${type}"; known are none, linear and yarn.`,
      );
  }
}

function readFactor(metadata: ArchitectureMetadata): number {
  const factor = metadata.number('rope.scaling.factor', metadata.number('rope.scale_linear', 1));
  // Files write 0 for "no scaling".
  if (factor === 0) return 1;
  return metadata.positive('rope.scaling.factor', factor);
}

function readYarn(metadata: ArchitectureMetadata, factor: number, contextLength: number): YarnAttributes {
  const extrapolation = metadata.number('rope.scaling.yarn_ext_factor', 1);
  return {
    factor,
    originalContext: metadata.count('rope.scaling.original_context_length', LIMITS.contextLength, contextLength),
    // A negative factor stands for the usual one.
    extrapolation: extrapolation < 0 ? 1 : extrapolation,
    attention: metadata.positive('rope.scaling.yarn_attn_factor', metadata.positive('rope.scaling.attn_factor', 1)),
    betaFast: metadata.positive('rope.scaling.yarn_beta_fast', 32),
    betaSlow: metadata.positive('rope.scaling.yarn_beta_slow', 1),
  };
}
