/** This project, from its sources. A child process of peers.ts. */
import { writeFile } from 'node:fs/promises';
import {
  type Backend,
  loadModel,
  type Model,
  openWeightsFile,
  selectBackend,
} from '../../packages/pixel-llm/src/node.ts';
import {
  type DistributionsRequest,
  type GenerateAnswer,
  type GenerateRequest,
  GenerationClock,
  type LikeliestAnswer,
  type LikeliestRequest,
  type LoadAnswer,
  type LoadRequest,
  serveRequests,
} from './protocol.ts';

type Device = Parameters<typeof selectBackend>[0];

const select: (device: Device, options: { threads: number }) => Promise<Backend> = selectBackend;

const ROWS = 16;
const PAGE_TOKENS = 64;

let model: Model | undefined;
let request: LoadRequest | undefined;

serveRequests({ load, generate, likeliest, distributions, dispose });

async function load(wanted: LoadRequest): Promise<LoadAnswer> {
  request = wanted;
  const { path, threads, contextTokens, sequences } = wanted;
  const device = wanted.device as Device;
  const options = { device, threads, contextLength: contextTokens, sequences };
  model = await loadModel(path, options);
  const { description } = await select(device, { threads });
  // The reference does not say: it has one.
  const taken = Number(/(\d+) threads?/.exec(description)?.[1] ?? 1);
  if (model.device !== 'reference' && taken !== threads) {
    throw new Error(`This project took ${taken} threads instead of ${threads}.`);
  }
  return { version: description, device: model.device };
}

async function generate({ prompts, tokens }: GenerateRequest): Promise<GenerateAnswer> {
  const sessions = prompts.map(() => loaded().createSession());
  const clock = new GenerationClock(prompts.length);
  await Promise.all(
    sessions.map(async (session, index) => {
      const options = { maxTokens: tokens, temperature: 0, ignoreEndOfText: true };
      const prompt = prompts[index]?.tokens ?? [];
      for await (const { token } of session.generate(prompt, options)) clock.token(index, token);
    }),
  );
  const answer = clock.answer();
  for (const session of sessions) session.dispose();
  return answer;
}

async function likeliest({ prompt, count }: LikeliestRequest): Promise<LikeliestAnswer> {
  const { positions } = await loaded().score(prompt.tokens, { top: count });
  return positions.at(-1)?.top ?? [];
}

/** By an executor of the model's own Program (which says how it rounds): `score` names the likeliest tokens, not all. */
async function distributions({ tokens, path }: DistributionsRequest): Promise<void> {
  const wanted = request;
  if (!wanted) throw new Error('No model is loaded.');
  await using weights = await openWeights(wanted.path);
  const backend = await select(wanted.device as Device, { threads: wanted.threads });
  const { program } = loaded();
  const pageCount = Math.ceil(tokens.length / PAGE_TOKENS);
  const pages = [Array.from({ length: pageCount }, (_, page) => page)];
  const options = { pageTokens: PAGE_TOKENS, pageCount };
  const executor = await backend.load(program, weights, options);
  const rows: Buffer[] = [];
  for (let start = 0; start < tokens.length; start += ROWS) {
    const part = Int32Array.from(tokens.slice(start, start + ROWS));
    const entries = part.map((_, index) => index);
    const positions = entries.map((index) => start + index);
    const { values } = await executor.step(
      { sequences: new Int32Array(part.length), positions, pages, outputEntries: entries, inputs: { tokens: part } },
      { readBack: ['logits'] },
    );
    const logits = values.get('logits');
    if (!(logits instanceof Float32Array)) throw new Error('The device gave no logits.');
    for (let row = 0; row < part.length; row++) {
      rows.push(logProbabilities(logits.subarray(row * program.vocab, (row + 1) * program.vocab)));
    }
  }
  await executor.dispose();
  await writeFile(path, Buffer.concat(rows));
}

function logProbabilities(logits: Float32Array): Buffer {
  let largest = -Infinity;
  for (const logit of logits) largest = Math.max(largest, logit);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - largest);
  const logSum = largest + Math.log(sum);
  return Buffer.from(Float32Array.from(logits, (logit) => logit - logSum).buffer);
}

async function openWeights(path: string) {
  const weights = await openWeightsFile(path);
  return Object.assign(weights, { [Symbol.asyncDispose]: () => weights.dispose() });
}

function loaded(): Model {
  if (!model) throw new Error('No model is loaded.');
  return model;
}

async function dispose(): Promise<void> {
  await model?.dispose();
  model = undefined;
}
