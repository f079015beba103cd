/** `qwen3` (arXiv 2505.09388): no biases, RMS norms on the heads of Q and K, and a head size that need not be dim / heads. */
import type { ArchitectureInput } from '../builder.ts';
import { buildDecoder } from '../decoder.ts';
import type { Program } from '../program.ts';

export function qwen3(input: ArchitectureInput): Program {
  return buildDecoder(input, { pairing: 'halves', headNorms: true });
}
