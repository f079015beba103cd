/** llama.cpp, native, by node-llama-cpp's prebuilt library for processors. A child process of peers.ts. */
import { writeFile } from 'node:fs/promises';
import { getLlama, type Llama, type LlamaContext, LlamaLogLevel, type LlamaModel, type Token } from 'node-llama-cpp';
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

/** Rows of logits asked for in one call, so that the maps of a large vocabulary do not fill the memory. */
const ROWS = 16;

let loaded: { llama: Llama; model: LlamaModel; context: LlamaContext } | undefined;

serveRequests({ load, generate, likeliest, distributions, dispose });

async function load({ path, threads, contextTokens, sequences }: LoadRequest): Promise<LoadAnswer> {
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    skipDownload: true,
    progressLogs: false,
    logLevel: LlamaLogLevel.error,
    maxThreads: 0,
  });
  // One that was compiled here would be another program than everyone else measures.
  if (llama.buildType !== 'prebuilt') throw new Error(`This is not the prebuilt llama.cpp but a ${llama.buildType}.`);
  const model = await llama.loadModel({ modelPath: path, gpuLayers: 0 });
  const context = await model.createContext({
    contextSize: contextTokens,
    sequences,
    threads,
    batchSize: 512,
    ignoreMemorySafetyChecks: true,
  });
  if (context.currentThreads !== threads && context.idealThreads !== threads) {
    throw new Error(`llama.cpp took ${context.idealThreads} threads instead of ${threads}.`);
  }
  loaded = { llama, model, context };
  const { repo, release } = llama.llamaCppRelease;
  return { version: `${repo} ${release}`, device: 'cpu' };
}

async function generate({ prompts, tokens }: GenerateRequest): Promise<GenerateAnswer> {
  const sequences = prompts.map(() => current().context.getSequence());
  const clock = new GenerationClock(prompts.length);
  await Promise.all(
    sequences.map(async (sequence, index) => {
      const prompt = [...(prompts[index]?.tokens ?? [])] as Token[];
      for await (const token of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
        if (clock.token(index, token) === tokens) break;
      }
    }),
  );
  const answer = clock.answer();
  for (const sequence of sequences) await sequence.dispose();
  return answer;
}

async function likeliest({ prompt: { tokens }, count }: LikeliestRequest): Promise<LikeliestAnswer> {
  const sequence = current().context.getSequence();
  const outputs = await sequence.controlledEvaluate(withProbabilitiesFrom(tokens, tokens.length - 1));
  await sequence.dispose();
  const probabilities = outputs[tokens.length - 1]?.next.probabilities ?? new Map<Token, number>();
  return [...probabilities]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, count)
    .map(([token, probability]) => [token, Math.log(probability)] as const);
}

async function distributions({ tokens, path }: DistributionsRequest): Promise<void> {
  const sequence = current().context.getSequence();
  const rows: Float32Array[] = [];
  for (let start = 0; start < tokens.length; start += ROWS) {
    const outputs = await sequence.controlledEvaluate(withProbabilitiesFrom(tokens.slice(start, start + ROWS), 0));
    for (const output of outputs) {
      const probabilities = output?.next.probabilities;
      if (!probabilities) throw new Error('llama.cpp gave no probabilities.');
      const row = new Float32Array(probabilities.size);
      for (const [token, probability] of probabilities) row[token] = Math.log(probability);
      rows.push(row);
    }
  }
  await sequence.dispose();
  await writeFile(path, Buffer.concat(rows.map((row) => Buffer.from(row.buffer))));
}

function withProbabilitiesFrom(tokens: readonly number[], first: number) {
  return tokens.map((token, index): Token | [Token, { generateNext: { probabilities: true } }] =>
    index < first ? (token as Token) : [token as Token, { generateNext: { probabilities: true } }],
  );
}

function current(): NonNullable<typeof loaded> {
  if (!loaded) throw new Error('No model is loaded.');
  return loaded;
}

async function dispose(): Promise<void> {
  await loaded?.llama.dispose();
  loaded = undefined;
}
