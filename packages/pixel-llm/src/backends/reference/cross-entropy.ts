/** Cross-entropy: how surprised the model is by each target, in nats. */
import { PixelError } from '../../core/errors.ts';
import { logSumExp } from './softmax.ts';

/** logits [T, vocab], targets [T] -> [T]: -ln p(target); 0 where the target is -1. Throws `bad-argument` for one outside the vocabulary. */
export function crossEntropy(logits: Float32Array, targets: Int32Array, vocab: number): Float32Array {
  return Float32Array.from(targets, (target, row) => {
    if (target === -1) return 0;
    if (target < 0 || target >= vocab) {
      throw new PixelError('bad-argument', `Target ${target} is not in the vocabulary of ${vocab} tokens.`);
    }
    const values = logits.subarray(row * vocab, (row + 1) * vocab);
    return logSumExp(values) - values[target]!;
  });
}
