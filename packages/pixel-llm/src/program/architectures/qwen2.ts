/** `qwen2`: Qwen 1.5, 2 and 2.5 (arXiv 2407.10671): Llama's form with biases on Q, K and V, and rotations of the two halves of a head. */
import type { ArchitectureInput } from '../builder.ts';
import { buildDecoder } from '../decoder.ts';
import type { Program } from '../program.ts';

export function qwen2(input: ArchitectureInput): Program {
  return buildDecoder(input, { pairing: 'halves', headNorms: false });
}
