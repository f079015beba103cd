/** Attention of training and its gradient: every head of every sequence, one after another. */
import type { SelfAttentionAttributes, TrainingOpOf } from '../../../program/training-program.ts';
import type { Entries, OpContext, RunOp } from './run-op.ts';

export function prepareAttention(op: TrainingOpOf<'selfAttention'>, context: OpContext): RunOp {
  const [q, k, v] = op.in.map((name) => context.value(name));
  const out = context.value(op.out);
  const { headDim } = op.attributes;
  const kernel = context.module.kernel('attendSequence');
  const [qRow, kvRow] = [4 * q!.width, 4 * k!.width];
  return (entries) => {
    const scratch = takeScratch(context, entries);
    for (const { first, tokens, head, kvHead, options } of headsOfSequences(entries, op.attributes)) {
      const atQ = first * qRow + 4 * headDim * head;
      const atKv = first * kvRow + 4 * headDim * kvHead;
      const operands = [q!.address + atQ, qRow, k!.address + atKv, v!.address + atKv, kvRow];
      kernel(...operands, tokens, headDim, ...options, out.address + atQ, qRow, ...scratch);
    }
  };
}

export function prepareAttentionGradient(op: TrainingOpOf<'selfAttentionGradient'>, context: OpContext): RunOp {
  const [q, k, v, d] = op.in.map((name) => context.value(name));
  const out = context.value(op.out);
  const { heads, kvHeads, headDim } = op.attributes;
  const kernel = context.module.kernel('attendSequenceGradient');
  const [qRow, kvRow, outRow] = [4 * q!.width, 4 * k!.width, 4 * out.width];
  return (entries) => {
    // Gradients of keys and values are added up, from later entries and from the heads of a group.
    context.module.u8.fill(0, out.address, out.address + entries.tokens * outRow);
    const scratch = takeScratch(context, entries);
    for (const { first, tokens, head, kvHead, options } of headsOfSequences(entries, op.attributes)) {
      const atQ = first * qRow + 4 * headDim * head;
      const atKv = first * kvRow + 4 * headDim * kvHead;
      const gradients = out.address + first * outRow;
      kernel(
        ...[q!.address + atQ, qRow, k!.address + atKv, v!.address + atKv, kvRow, d!.address + atQ],
        ...[tokens, headDim, ...options],
        gradients + 4 * headDim * head,
        gradients + 4 * headDim * (heads + kvHead),
        gradients + 4 * headDim * (heads + kvHeads + kvHead),
        outRow,
        ...scratch,
      );
    }
  };
}

function* headsOfSequences({ sequences }: Entries, attributes: SelfAttentionAttributes) {
  const { heads, kvHeads, scale, softcap = 0, window = 0 } = attributes;
  for (const [first, end] of sequences) {
    for (let head = 0; head < heads; head++) {
      const kvHead = Math.floor((head * kvHeads) / heads);
      yield { first, tokens: end - first, head, kvHead, options: [scale, softcap, window] };
    }
  }
}

/** Scratch of the attention kernels, then the products'. */
function takeScratch({ module, scratch }: OpContext, { sequences }: Entries): [number, number] {
  const longest = sequences.reduce((most, [first, end]) => Math.max(most, end - first), 0);
  const own = Math.ceil(module.kernel('attentionScratchBytes')(longest) / 64) * 64;
  const start = scratch(own + module.kernel('gemmScratchBytes')());
  return [start, start + own];
}
