/** What a worker of the device `cpu` runs in Node: one thread of a model. It imports no more than that takes, since every thread pays for it. */
import { parentPort } from 'node:worker_threads';
import { serveThread } from '../serve-thread.ts';
import type { ToThread } from '../thread-messages.ts';

const port = parentPort;
const receive = serveThread(
  (message, transfer) => port?.postMessage(message, transfer),
  () => port?.close(),
);
port?.on('message', (message: ToThread) => receive(message));
