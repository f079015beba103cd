/**
 * The public entry for browsers: what index.ts has, with `loadModel` for a page (the engine in a worker, models kept in the
 * browser's storage). Node's counterpart is node.ts.
 */
export { type CleanOptions, cleanKeptModels, type KeptModel, listKeptModels } from './browser/kept-models.ts';
export { type LoadModelOptions, loadModel, type ModelSource } from './browser/load-model.ts';
export type { Generation, Model, RestoredSession, Session } from './browser/model-api.ts';
export * from './index.ts';
