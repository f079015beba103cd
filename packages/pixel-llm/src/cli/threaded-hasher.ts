/**
 * SHA-256 on a thread of its own, for commands that put large files into pictures. Steps are copied: at memory speed, which
 * is nothing beside the hash itself.
 */

import type { StepHasher } from '../png/pixelfs-writer.ts';
import { createWorkerHasher } from '../pxi/node.ts';

/** Steps under way at once. */
const MOST_STEPS = 2;
/** pxi's hasher keeps several streams apart by name; here is one. */
const STREAM = 'file';

export interface ThreadedHasher extends StepHasher {
  /** Ends the thread; harmless twice. */
  dispose(): Promise<void>;
}

export function createThreadedHasher(): ThreadedHasher {
  const hasher = createWorkerHasher();
  const free: ArrayBuffer[] = [];
  const underway: Promise<void>[] = [];
  return {
    async update(bytes) {
      if (underway.length === MOST_STEPS) await underway.shift();
      const spare = free.pop();
      const copy = new Uint8Array(spare && spare.byteLength >= bytes.length ? spare : new ArrayBuffer(bytes.length));
      copy.set(bytes);
      const step = hasher.update(STREAM, copy.subarray(0, bytes.length)).then((buffer) => void free.push(buffer));
      // A failure is thrown where the step is awaited, or by the digest.
      step.catch(() => {});
      underway.push(step);
    },
    digestHex: () => hasher.digest(STREAM),
    dispose: () => hasher.dispose(),
  };
}
