/** The form of a Program as JSON. What the names and shapes in it mean to each other is checked by validate.ts. */
import * as z from 'zod';
import { LIMITS } from '../core/limits.ts';
import { ACTIVATION_MODES, type Program } from './program.ts';

const name = z.string().min(1).max(LIMITS.nameBytes);
const names = z.array(name).max(8);
const size = z.int().min(1).max(LIMITS.contextLength);
const positive = z.number().positive();
const none = z.strictObject({});

const norm = z.strictObject({ epsilon: z.number().min(0), size });

const rope = z.strictObject({
  rotaryDim: size.multipleOf(2),
  headDim: size,
  frequencyBase: z.number().gt(1),
  pairing: z.enum(['adjacent', 'halves']),
  linearFactor: positive,
  yarn: z
    .strictObject({
      factor: positive,
      originalContext: size,
      extrapolation: z.number(),
      attention: positive,
      betaFast: positive,
      betaSlow: positive,
    })
    .exactOptional(),
});

const attention = z.strictObject({
  state: name,
  heads: size,
  kvHeads: size,
  headDim: size,
  scale: z.number(),
  window: size.exactOptional(),
  softcap: positive.exactOptional(),
});

function op<Name extends string, Attributes extends z.ZodType>(opName: Name, attributes: Attributes) {
  return z.strictObject({ op: z.literal(opName), in: names, weights: names, out: name, attributes });
}

const ops = z.discriminatedUnion('op', [
  op('embed', none),
  op('takeRows', none),
  op('rmsNorm', norm),
  op('layerNorm', norm),
  op('matmul', z.strictObject({ activations: z.enum(ACTIVATION_MODES) })),
  op('rope', rope),
  op('attention', attention),
  op('silu', none),
  op('gelu', none),
  op('gatedSilu', none),
  op('gatedGelu', none),
  op('add', none),
  op('mul', none),
  op('scale', z.strictObject({ factor: z.number() })),
  op('softmax', none),
  op('sample', none),
  op('crossEntropy', none),
]);

const dimension = z.union([size, z.enum(['tokens', 'outputs'])]);

export const programSchema: z.ZodType<Program> = z.strictObject({
  formatVersion: z.literal(1),
  architecture: z.string(),
  vocab: size,
  contextLength: size,
  weights: z.array(z.strictObject({ name, shape: z.array(size).min(1).max(2), type: z.string() })).max(LIMITS.tensors),
  state: z.array(z.strictObject({ name, kvHeads: size, headDim: size })).max(LIMITS.modelLayers),
  values: z
    .array(
      z.strictObject({ name, shape: z.array(dimension).min(1).max(2), type: z.enum(['f32', 'i32']).exactOptional() }),
    )
    .max(LIMITS.programOps),
  ops: z.array(ops).max(LIMITS.programOps),
  inputs: z.array(name).max(LIMITS.programInputs),
  outputs: z.array(name).max(LIMITS.programOps),
});
