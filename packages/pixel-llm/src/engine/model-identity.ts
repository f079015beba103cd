/**
 * Which model this is, as a hash: the same for a GGUF file and its picture, another one for other weights in the same shape. Weights
 * are not read for it; it takes a few bytes of each as they pass by on their way to the device.
 */
import type { ReadOptions } from '../core/byte-source.ts';
import { createSha256 } from '../core/hashing.ts';
import { encodeGgufHead } from '../gguf/writer.ts';
import type { Program } from '../program/program.ts';
import { readBlocks } from '../pxi/read-blocks.ts';
import type { WeightHead, WeightSource } from '../pxi/weight-source.ts';

/** Bytes kept of the first row of each plane: enough that a model trained further, however little, differs somewhere. */
const SAMPLE_BYTES = 64;

/** SHA-256 over the head as GGUF writes it, and the samples. Throws `bad-argument` for a head that GGUF cannot hold. */
export function modelIdentity(head: WeightHead, samples: WeightSamples): string {
  const hash = createSha256();
  hash.update(encodeGgufHead({ metadata: head.metadata, tensors: head.tensors.values() }).bytes);
  hash.update(samples.bytes());
  return hash.digestHex();
}

/** The same, of a model that is not being loaded: reads the first row of each weight of the Program. Throws what reading throws. */
export async function readModelIdentity(
  source: WeightSource,
  program: Pick<Program, 'weights'>,
  options: ReadOptions = {},
): Promise<string> {
  const samples = new WeightSamples();
  const sampled = sampledWeights(source, samples);
  for (const { name } of program.weights) await readBlocks(sampled, name, { start: 0, end: 1 }, options);
  return modelIdentity(source.head, samples);
}

/** The begin of each plane that was read, by name, so that the order of reading does not matter. */
export class WeightSamples {
  readonly #planes = new Map<string, Uint8Array>();

  add(key: string, bytes: Uint8Array): void {
    this.#planes.set(key, bytes.slice(0, SAMPLE_BYTES));
  }

  /** Those of the other tensors. */
  without(isLeftOut: (tensor: string) => boolean): WeightSamples {
    const kept = new WeightSamples();
    for (const [key, bytes] of this.#planes) if (!isLeftOut(key.slice(0, key.lastIndexOf(' ')))) kept.add(key, bytes);
    return kept;
  }

  bytes(): Uint8Array {
    const sorted = [...this.#planes].sort(([a], [b]) => (a < b ? -1 : 1));
    return new TextEncoder().encode(sorted.map(([key, bytes]) => `${key} ${bytes.join(' ')}\n`).join(''));
  }
}

/** The same weights, sampled as they are read. */
export function sampledWeights(weights: WeightSource, samples: WeightSamples): WeightSource {
  return {
    name: weights.name,
    head: weights.head,
    async readPlane(tensor, plane, rows, target, options) {
      await weights.readPlane(tensor, plane, rows, target, options);
      if (rows.start !== 0 || rows.end === 0) return;
      // Never more than the first row: how many rows a read takes is the backend's choice.
      samples.add(`${tensor} ${plane}`, target.subarray(0, target.length / rows.end));
    },
    dispose: () => weights.dispose(),
  };
}
