/** The thread that hashes: see pxi/node.ts for its other end. */
import '../../core/node.ts';
import { parentPort } from 'node:worker_threads';
import { HasherTable } from '../stream-hasher.ts';
import type { HashAnswer, HashRequest } from './messages.ts';

const table = new HasherTable();

parentPort?.on('message', ({ stream, bytes }: HashRequest) => {
  if (!bytes) return answer({ digest: table.digest(stream) });
  table.update(stream, bytes);
  return answer({ buffer: bytes.buffer }, [bytes.buffer]);
});

function answer(message: HashAnswer, transfer: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer);
}
