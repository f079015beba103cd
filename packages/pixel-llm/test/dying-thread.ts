/** A thread of the device `cpu` that dies in the midst of its work, for tests: when it has touched the shared counters so many times. */
import { parentPort, workerData } from 'node:worker_threads';
import { serveThread } from '../src/backends/wasm/serve-thread.ts';
import type { ToThread } from '../src/backends/wasm/thread-messages.ts';

export type Death = 'exit' | 'trap' | 'memory';

export interface DyingThread {
  readonly death: Death;
  /** Counters touched before it dies. */
  readonly after: number;
}

const { death, after } = workerData as DyingThread;
const { add } = Atomics;
let left = after;
Atomics.add = ((...operands: Parameters<typeof add>) => {
  if (left-- === 0) die();
  return add(...operands);
}) as typeof add;

const port = parentPort!;
const receive = serveThread(
  (message, transfer) => port.postMessage(message, transfer),
  () => port.close(),
);
port.on('message', (message: ToThread) => receive(message));

function die(): void {
  if (death === 'exit') process.exit(9);
  if (death === 'trap') throw new WebAssembly.RuntimeError('unreachable');
  const hoard: unknown[] = [];
  for (;;) hoard.push(Array.from({ length: 1e5 }, (_, index) => ({ index })));
}
