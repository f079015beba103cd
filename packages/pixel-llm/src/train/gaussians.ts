/** Random first weights. */
import { choiceSource } from '../core/random.ts';

/** Normal numbers, a function of seed and tensor, by Box and Muller's transformation, two at a time. */
export function gaussians(seed: number, tensor: number, count: number, deviation: number): Float32Array<ArrayBuffer> {
  const next = choiceSource(seed, tensor);
  const uniform = (): number => (next(2 ** 32) + 0.5) / 2 ** 32;
  const values = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    const radius = deviation * Math.sqrt(-2 * Math.log(uniform()));
    const angle = 2 * Math.PI * uniform();
    values[i] = radius * Math.cos(angle);
    if (i + 1 < count) values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}
