/**
 * `llama`: Llama 1 to 3, Mistral, TinyLlama, SmolLM and all that were saved in their form. Scaled positions, Llama 3's frequency
 * factors, Mistral's window, biases and tied embeddings come from the metadata and the tensors.
 */
import type { ArchitectureInput } from '../builder.ts';
import { buildDecoder } from '../decoder.ts';
import type { Program } from '../program.ts';

export function llama(input: ArchitectureInput): Program {
  // The converters to GGUF reorder the rows of Q and K so that the pairs of a rotation stand side by side.
  return buildDecoder(input, { pairing: 'adjacent', headNorms: false });
}
