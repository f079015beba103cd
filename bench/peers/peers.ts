/** The runtimes that are compared, each in a process of its own, and the requests they answer. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Memory, memoryOf } from './process-facts.ts';
import type { AnswerMessage, LoadAnswer, LoadRequest, RequestName, Requests } from './protocol.ts';

export const PEER_NAMES = ['pixel', 'llama.cpp', 'wllama'] as const;
export type PeerName = (typeof PEER_NAMES)[number];

const SCRIPTS: Readonly<Record<PeerName, string>> = {
  pixel: './peer-pixel.ts',
  'llama.cpp': './peer-llama.ts',
  wllama: './peer-wllama.ts',
};

export class Peer implements AsyncDisposable {
  readonly name: PeerName;
  readonly loaded: LoadAnswer;
  readonly #child: ChildProcess;

  private constructor(name: PeerName, child: ChildProcess, loaded: LoadAnswer) {
    this.name = name;
    this.#child = child;
    this.loaded = loaded;
  }

  /** Starts the process and loads the model. Fails with what the runtime says. */
  static async start(name: PeerName, request: LoadRequest): Promise<Peer> {
    // The child's stdout goes to stderr, so that this program's own stdout stays clean.
    const child = fork(fileURLToPath(new URL(SCRIPTS[name], import.meta.url)), { stdio: ['ignore', 2, 2, 'ipc'] });
    try {
      return new Peer(name, child, (await ask(child, 'load', request)) as LoadAnswer);
    } catch (error) {
      child.kill();
      throw error;
    }
  }

  ask<Name extends RequestName>(name: Name, ...request: Parameters<Requests[Name]>): ReturnType<Requests[Name]> {
    return ask(this.#child, name, request[0]) as ReturnType<Requests[Name]>;
  }

  /** Memory of the process, and of those it started. Linux only. */
  memory(): Memory {
    return memoryOf(this.#child.pid ?? 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    await this.ask('dispose').catch(() => this.#child.kill());
    await ended;
  }
}

/** Starts all that are named, one after another, and ends those that have started if one fails. */
export async function startPeers(
  names: readonly PeerName[],
  request: LoadRequest,
): Promise<{ peers: readonly Peer[] } & AsyncDisposable> {
  const stack = new AsyncDisposableStack();
  const peers: Peer[] = [];
  try {
    for (const name of names) peers.push(stack.use(await Peer.start(name, request)));
    return { peers, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** Children answer in turn, and each is asked one thing at a time. */
function ask(child: ChildProcess, name: RequestName, request: unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null, signal: string | null) =>
      reject(new Error(`The process ended (${signal ?? code}) instead of answering "${name}".`));
    child.once('exit', onExit);
    child.once('message', (message: AnswerMessage) => {
      child.off('exit', onExit);
      if ('failure' in message) reject(new Error(message.failure));
      else resolve(message.answer);
    });
    child.send({ name, request });
  });
}
