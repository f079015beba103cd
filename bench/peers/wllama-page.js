/**
 * Runs in the browser: wllama behind the requests of protocol.ts, called by peer-wllama.ts. wllama takes prompts as
 * text only, so that it has made the same tokens of it is checked by their number here, and by the likeliest next ones in agree.ts.
 */
import { LoggerWithoutDebug, Wllama } from '/wllama/index.js';

let wllama;

globalThis.peer = {
  async load({ threads, contextTokens, sequences }) {
    wllama = new Wllama(
      { default: '/wllama/wasm/wllama.wasm' },
      { logger: LoggerWithoutDebug, suppressNativeLog: true },
    );
    const model = await (await fetch('/model.gguf')).blob();
    await wllama.loadModel([model], {
      n_threads: threads,
      n_gpu_layers: 0,
      n_ctx: contextTokens * sequences,
      n_parallel: sequences,
      n_batch: 512,
      warmup: false,
    });
    const taken = wllama.isMultithread() ? wllama.getNumThreads() : 1;
    if (taken !== threads) throw new Error(`wllama took ${taken} threads instead of ${threads}.`);
    return { version: Wllama.getLibllamaVersion(), isolated: globalThis.crossOriginIsolated };
  },

  /** Each prompt's tokens, and the runtime's own clock: it does not count the way of a token out of the worker. */
  generate: ({ prompts, tokens }) => Promise.all(prompts.map((prompt) => complete(prompt, tokens, 0))),

  async likeliest({ prompt, count }) {
    const { logprobs } = await complete(prompt, 1, count);
    return logprobs;
  },

  exit: () => wllama?.exit(),
};

async function complete({ text, tokens: promptTokens }, tokens, top) {
  const answer = await wllama.createCompletion({
    prompt: text,
    max_tokens: tokens,
    temperature: 0,
    ignore_eos: true,
    cache_prompt: false,
    ...(top > 0 && { logprobs: top }),
  });
  const { timings, usage, choices } = answer;
  if (usage.prompt_tokens !== promptTokens.length || usage.completion_tokens !== tokens) {
    throw new Error(`wllama did other work than it was asked for: ${JSON.stringify(usage)}`);
  }
  const content = choices[0].logprobs?.content?.[0];
  return {
    logprobs: content?.top_logprobs?.map(({ id, logprob }) => [id, logprob]),
    promptMilliseconds: timings.prompt_ms,
    predictedMilliseconds: timings.predicted_ms,
  };
}
