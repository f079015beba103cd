/**
 * What a model offers, whoever computes it: the engine on the calling thread (engine/) or a worker (worker-model.ts). Made from the
 * engine's classes, so that the two cannot part.
 */
import type { ByteSource } from '../core/byte-source.ts';
import type { WorkOptions } from '../core/progress.ts';
import type { Generation as EngineGeneration, GenerateOptions } from '../engine/generation.ts';
import type { Model as EngineModel, RestoredSession as EngineRestoredSession } from '../engine/model.ts';
import type { Session as EngineSession, Prompt } from '../engine/session.ts';

/** All that is not private: another class can then be the same to its users. */
type Offered<Class> = Pick<Class, keyof Class>;

/** One text being written. In a worker `promptTokens` is empty until the work begins. */
export type Generation = Offered<EngineGeneration>;

export interface Session extends Omit<Offered<EngineSession>, 'generate' | 'fork'> {
  generate(prompt: Prompt, options?: GenerateOptions): Generation;
  fork(): Session;
}

export interface RestoredSession extends Omit<EngineRestoredSession, 'session'> {
  readonly session: Session;
}

export interface Model extends Omit<Offered<EngineModel>, 'createSession' | 'restoreSession'> {
  createSession(): Session;
  restoreSession(source: ByteSource | Blob, options?: WorkOptions): Promise<RestoredSession>;
}
