/** A Program with low-rank adapters: products of adapted weights get a second, narrow way beside them. No op is new, so every device has it. */
import { PixelError } from '../core/errors.ts';
import type { AdaptedWeight } from '../pxi/adapter.ts';
import type { Op, OpOf, Program, ProgramValue, ProgramWeight } from './program.ts';

/**
 * Each product y = W x (+ bias) with an adapted W becomes y = (W x + bias) + B (scale A x). Throws `unknown-tensor` for an adapted weight that no
 * product uses: it would change nothing.
 */
export function adaptProgram(program: Program, weights: ReadonlyMap<string, AdaptedWeight>): Program {
  const values = [...program.values];
  const adapted = new Map<string, ProgramWeight>();
  const unused = new Set(weights.keys());
  const ops = program.ops.flatMap((op): Op[] => {
    const weight = op.op === 'matmul' ? weights.get(op.weights[0] ?? '') : undefined;
    if (op.op !== 'matmul' || !weight) return [op];
    unused.delete(weight.weight);
    for (const { name, dimensions, type } of [weight.a, weight.b]) {
      adapted.set(name, { name, shape: [...dimensions].reverse(), type: type.name });
    }
    return adaptProduct(op, weight, values);
  });
  const [missing] = unused;
  if (missing !== undefined) {
    throw new PixelError('unknown-tensor', `The adapter changes "${missing}", which no product of the model uses.`);
  }
  return { ...program, weights: [...program.weights, ...adapted.values()], values, ops };
}

function adaptProduct(op: OpOf<'matmul'>, { a, b, rank, scale }: AdaptedWeight, values: ProgramValue[]): Op[] {
  const { out } = op;
  const [leading = 'tokens', rows = 0] = values.find(({ name }) => name === out)?.shape ?? [];
  const [base, narrow, scaled, wide] = ['base', 'lora_a', 'lora_scaled', 'lora_b'].map((part) => `${out}.${part}`) as [
    string,
    string,
    string,
    string,
  ];
  values.push({ name: base, shape: [leading, rows] }, { name: narrow, shape: [leading, rank] });
  values.push({ name: scaled, shape: [leading, rank] }, { name: wide, shape: [leading, rows] });
  const plain = { activations: 'f32' } as const;
  return [
    { ...op, out: base },
    { op: 'matmul', in: op.in, weights: [a.name], out: narrow, attributes: plain },
    { op: 'scale', in: [narrow], weights: [], out: scaled, attributes: { factor: scale } },
    { op: 'matmul', in: [scaled], weights: [b.name], out: wide, attributes: plain },
    { op: 'add', in: [base, wide], weights: [], out, attributes: {} },
  ];
}
