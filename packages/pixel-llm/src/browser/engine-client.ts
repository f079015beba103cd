/**
 * The page's side: a worker with one model, calls to it, and what becomes of them when it is disposed of or lost. Only here are
 * messages sent; the classes of model, session and generation (worker-*.ts) call.
 */
import { type AssetUrls, assetUrls } from '../core/asset-urls.ts';
import type { ByteSource } from '../core/byte-source.ts';
import { isPixelError, PixelError, throwIfAborted } from '../core/errors.ts';
import { startModuleWorker } from '../core/module-worker.ts';
import type { WorkOptions } from '../core/progress.ts';
import type { WeightSource } from '../pxi/weight-source.ts';
import { receivedError, sentError } from './error-message.ts';
import type { CallName, Calls, FromWorker, ToWorker, WantedBytes } from './protocol.ts';

interface Call {
  readonly settle: PromiseWithResolvers<unknown>;
  readonly work: WorkOptions;
  readonly onAbort: () => void;
}

export interface EngineClientOptions {
  readonly assets?: AssetUrls | undefined;
  readonly onNote?: ((sentence: string) => void) | undefined;
}

export class EngineClient {
  readonly assets: AssetUrls;
  readonly #worker: Worker;
  readonly #onNote: ((sentence: string) => void) | undefined;
  readonly #calls = new Map<number, Call>();
  readonly #objects = new Map<number, ByteSource | WeightSource>();
  #nextNumber = 1;
  #ended: PixelError | undefined;
  #lost: PixelError | undefined;

  constructor({ assets = assetUrls(), onNote }: EngineClientOptions = {}) {
    this.assets = assets;
    this.#onNote = onNote;
    this.#worker = startModuleWorker(assets.worker, 'pixel-llm engine');
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#receive(data);
    this.#worker.onmessageerror = () => this.#end(lost('an answer of it could not be read'));
    this.#worker.onerror = (event) => {
      event.preventDefault();
      const reason = event.message || `its script could not be loaded from ${assets.worker}`;
      this.#end(lost(reason));
    };
  }

  /** A number that nothing else of this client has. */
  number(): number {
    return this.#nextNumber++;
  }

  /** Answers what the worker answers. Throws what it throws, `aborted`, `disposed`, `device-lost`. */
  async call<Name extends CallName>(
    name: Name,
    given: Calls[Name]['given'],
    work: WorkOptions = {},
  ): Promise<Calls[Name]['answer']> {
    const { id, answer } = this.begin(name, given, work);
    try {
      return await answer;
    } finally {
      this.release(id);
    }
  }

  /** The same for a call whose signal and progress go on after its answer, until `release`. */
  begin<Name extends CallName>(
    name: Name,
    given: Calls[Name]['given'],
    work: WorkOptions = {},
  ): { readonly id: number; readonly answer: Promise<Calls[Name]['answer']> } {
    throwIfAborted(work.signal);
    if (this.#ended) throw this.#ended;
    const id = this.number();
    const settle = Promise.withResolvers<unknown>();
    settle.promise.catch(() => undefined);
    const onAbort = (): void => this.#send({ kind: 'abort', id });
    this.#sendCall({ kind: 'call', id, name, given });
    this.#calls.set(id, { settle, work, onAbort });
    work.signal?.addEventListener('abort', onAbort);
    return { id, answer: settle.promise as Promise<Calls[Name]['answer']> };
  }

  release(id: number): void {
    const call = this.#calls.get(id);
    call?.work.signal?.removeEventListener('abort', call.onAbort);
    this.#calls.delete(id);
  }

  /** Lets the worker read an object of this side; gives its number. */
  share(object: ByteSource | WeightSource): number {
    const number = this.number();
    this.#objects.set(number, object);
    return number;
  }

  get isEnded(): boolean {
    return this.#ended !== undefined;
  }

  /** Why nothing can be computed any more: the worker ended, or told that its device was lost. */
  get loss(): PixelError | undefined {
    return this.#ended?.code === 'device-lost' ? this.#ended : this.#lost;
  }

  /** Ends the worker and with it everything it holds; calls that wait throw `disposed`. Harmless twice. */
  dispose(name = 'The model'): void {
    this.#end(new PixelError('disposed', `${name} was disposed of.`));
  }

  #sendCall(message: ToWorker): void {
    try {
      this.#send(message);
    } catch (cause) {
      throw new PixelError('bad-argument', 'An option cannot be sent to the worker with the model.', { cause });
    }
  }

  #send(message: ToWorker, transfer: Transferable[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  #receive(message: FromWorker): void {
    if (message.kind === 'note') this.#onNote?.(message.sentence);
    else if (message.kind === 'read') void this.#read(message.id, message.object, message.what);
    else if (message.kind === 'close') this.#objects.delete(message.object);
    else {
      const call = this.#calls.get(message.id);
      if (message.kind === 'progress') call?.work.onProgress?.(message.progress);
      else if (message.kind === 'answer') call?.settle.resolve(message.answer);
      else {
        const error = receivedError(message.error, call?.work.signal);
        if (isPixelError(error, 'device-lost')) this.#lost ??= error;
        call?.settle.reject(error);
      }
    }
  }

  async #read(id: number, number: number, what: WantedBytes): Promise<void> {
    const object = this.#objects.get(number);
    const bytes = new Uint8Array(what.length);
    try {
      if (!object) throw new PixelError('disposed', 'The source of the model was closed.');
      if ('offset' in what) await (object as ByteSource).read(what.offset, [bytes]);
      else await (object as WeightSource).readPlane(what.tensor, what.plane, what.rows, bytes);
      this.#send({ kind: 'bytes', id, bytes }, [bytes.buffer]);
    } catch (error) {
      this.#send({ kind: 'no-bytes', id, error: sentError(error) });
    }
  }

  #end(error: PixelError): void {
    if (this.#ended) return;
    this.#ended = error;
    this.#worker.terminate();
    for (const [id, { settle }] of this.#calls) {
      settle.reject(error);
      this.release(id);
    }
    this.#objects.clear();
  }
}

function lost(reason: string): PixelError {
  return new PixelError('device-lost', `The worker with the model ended: ${reason}. Load the model again.`);
}
