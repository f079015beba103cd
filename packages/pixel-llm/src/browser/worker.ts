/** The script of every worker of a page: as its name says, a thread of the device `cpu`, or the engine with one model. */
import { serveIfThread } from '../backends/wasm/web-threads.ts';
import type { WorkerScope } from '../core/module-worker.ts';
import { EngineService } from './engine-service.ts';
import type { ToWorker } from './protocol.ts';

// TypeScript takes this for a page's window; both are the scope that the script runs in.
const scope = globalThis as unknown as WorkerScope;

if (!serveIfThread(scope)) {
  const service = new EngineService((message, transfer = []) => scope.postMessage(message, transfer));
  scope.onmessage = ({ data }: MessageEvent<ToWorker>) => service.receive(data);
}
