/** `pixel-llm bench`: how fast a model reads and writes here. What it computes is checked before it is timed. */
import { availableParallelism } from 'node:os';
import { selectBackend } from '../backends/select.ts';
import { measureAdapter } from '../backends/webgpu/measure-adapter.ts';
import { PixelError } from '../core/errors.ts';
import type { GenerateOptions, GenerationResult } from '../engine/generation.ts';
import type { Model } from '../engine/model.ts';
import { rowsOf, type TensorInfo } from '../gguf/head.ts';
import type { Program } from '../program/program.ts';
import { type CommandContext, type RegisterCommand, wholeNumber } from './command.ts';
import { addDeviceFlags, type DeviceFlags, loadForCommand } from './generation-flags.ts';
import { threeDigits } from './progress-bar.ts';

const EXAMPLES = `
Reading a prompt and writing tokens take turns for some rounds; the medians are told. Writing a token reads every weight once:
GB/s is what that makes, in bytes as the file has them. On a GPU, two more lines tell what a token should take: its bytes at three quarters of the
speed of a kernel that only reads, and what it costs to begin its dispatches, both measured in the same run. With --json, stdout has one object, all rounds in it.

Examples:
  pixel-llm bench model.pxi.png
  pixel-llm bench model.gguf --prompt-tokens 512 --generate-tokens 128 --rounds 5
  pixel-llm bench model.gguf --threads 2 --json > bench.json`;

interface BenchFlags extends DeviceFlags {
  promptTokens: number;
  generateTokens: number;
  rounds: number;
  json?: boolean;
}

/** Seconds of each round, and what their median comes to. */
interface Timing {
  readonly tokens: number;
  readonly seconds: readonly number[];
  readonly medianSeconds: number;
  readonly tokensPerSecond: number;
}

export const registerBench: RegisterCommand = (program, context) => {
  const command = program
    .command('bench')
    .description('Measure how fast a model reads and writes here.')
    .argument('<model>', 'a .pxi.png or .gguf file or URL (any file of a set)')
    .option('--prompt-tokens <n>', 'tokens to read', wholeNumber(1), 128)
    .option('--generate-tokens <n>', 'tokens to write', wholeNumber(1), 64)
    .option('--rounds <n>', 'how often to measure both', wholeNumber(1, 1000), 3);
  addDeviceFlags(command)
    .option('--json', 'write JSON')
    .addHelpText('after', EXAMPLES)
    .action((path: string, flags: BenchFlags) => bench(path, flags, context));
};

async function bench(path: string, flags: BenchFlags, context: CommandContext): Promise<void> {
  const { promptTokens, generateTokens, rounds, threads, gpuAdapter } = flags;
  const needed = Math.max(promptTokens, generateTokens + 1);
  await using model = await loadForCommand(path, { ...flags, context: flags.context ?? needed }, context);
  await checkFinite(model, context);
  const seconds: { prompt: number[]; generate: number[] } = { prompt: [], generate: [] };
  for (let round = 0; round < rounds; round++) {
    const read = await write(model, promptTokens, { maxTokens: 1 }, context);
    seconds.prompt.push(read.promptMilliseconds / 1000);
    // The first token comes out of reading the one-token prompt.
    const written = await write(model, 1, { maxTokens: generateTokens + 1 }, context);
    seconds.generate.push(written.generateMilliseconds / 1000);
    context.note(
      `round ${round + 1} of ${rounds}: read ${seconds.prompt.at(-1)?.toFixed(3)} s, wrote ${seconds.generate.at(-1)?.toFixed(3)} s`,
    );
  }
  const prompt = timing(promptTokens, seconds.prompt);
  const generate = timing(generateTokens, seconds.generate);
  const weightBytes = weightBytesPerToken(model.program, model.head.tensors);
  const gpu = await boundOfGpu(model, generate, weightBytes, { gpuAdapter, context });
  const report = {
    model: path,
    architecture: model.architecture,
    device: model.device,
    description: (await selectBackend(model.device, { threads, gpuAdapter })).description,
    cores: availableParallelism(),
    node: process.version,
    prompt,
    generate,
    weightBytesPerToken: weightBytes,
    gigabytesPerSecond: (weightBytes * generate.tokensPerSecond) / 1e9,
    ...(gpu && { gpu }),
  };
  await context.print(flags.json ? `${JSON.stringify(report, undefined, 2)}\n` : page(report));
}

/** Throws `not-finite` for a model whose numbers mean nothing: how fast it is would mean nothing either. */
async function checkFinite(model: Model, context: CommandContext): Promise<void> {
  using session = model.createSession();
  const options = { maxTokens: 4, temperature: 0, ignoreEndOfText: true, logprobs: 1, signal: context.signal };
  for await (const { logprob } of session.generate(tokensOf(model, 1), options)) {
    if (logprob === undefined || !Number.isFinite(logprob)) {
      throw new PixelError('not-finite', `${model.name} computes probabilities that are not numbers.`);
    }
  }
}

/** A text of its own in a cache of its own. */
async function write(
  model: Model,
  promptTokens: number,
  options: GenerateOptions,
  context: CommandContext,
): Promise<GenerationResult> {
  using session = model.createSession();
  const fixed = { temperature: 0, ignoreEndOfText: true, signal: context.signal };
  return await session.generate(tokensOf(model, promptTokens), { ...fixed, ...options }).complete();
}

/** Tokens from all over the vocabulary, as a text would not repeat itself. */
function tokensOf({ vocab }: Model, count: number): number[] {
  return Array.from({ length: count }, (_, index) => (1 + index * 7919) % vocab);
}

function timing(tokens: number, seconds: readonly number[]): Timing {
  const sorted = seconds.toSorted((a, b) => a - b);
  const [low = 0, high = 0] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  const medianSeconds = (low + high) / 2;
  return { tokens, seconds, medianSeconds, tokensPerSecond: tokens / medianSeconds };
}

/** As stored. Of an embedding table one row is read, unless the table is the output matrix, too. */
function weightBytesPerToken({ ops }: Program, tensors: ReadonlyMap<string, TensorInfo>): number {
  const bytes = new Map<string, number>();
  for (const { op, weights } of ops) {
    for (const name of weights) {
      const tensor = tensors.get(name);
      const read = tensor ? tensor.byteLength / (op === 'embed' ? rowsOf(tensor) : 1) : 0;
      bytes.set(name, Math.max(read, bytes.get(name) ?? 0));
    }
  }
  return [...bytes.values()].reduce((sum, read) => sum + read, 0);
}

/** What a token costs on a GPU, beside what that GPU can do at best. */
interface GpuBound {
  readonly dispatchesPerToken: number;
  /** Weights, and the cache at the middle of what was written. */
  readonly bytesPerToken: number;
  readonly gigabytesPerSecond: number;
  /** Of a kernel that only reads, on this adapter and in this run. */
  readonly readGigabytesPerSecond: number;
  readonly shareOfRead: number;
  /** Of a dispatch that waits for the one before it. */
  readonly dispatchMicroseconds: number;
  readonly secondsPerToken: number;
  /** Bytes at BOUND_SHARE of the reading speed, and the dispatches' cost. */
  readonly boundSeconds: number;
}

/** A token is as fast as it should be when its bytes come at this share of what plain reading reaches. */
const BOUND_SHARE = 0.75;

async function boundOfGpu(
  model: Model,
  { tokens, tokensPerSecond }: Timing,
  weightBytes: number,
  { gpuAdapter, context }: { gpuAdapter: string | undefined; context: CommandContext },
): Promise<GpuBound | undefined> {
  const { dispatchesPerToken, program } = model;
  if (dispatchesPerToken === undefined) return undefined;
  const { readBytesPerSecond, dispatchSeconds } = await measureAdapter(gpuAdapter, context.signal);
  // Keys and values are kept in f16.
  const positionBytes = program.state.reduce((sum, { kvHeads, headDim }) => sum + 2 * 2 * kvHeads * headDim, 0);
  const bytesPerToken = weightBytes + positionBytes * (1 + tokens / 2);
  const bytesPerSecond = bytesPerToken * tokensPerSecond;
  return {
    dispatchesPerToken,
    bytesPerToken,
    gigabytesPerSecond: bytesPerSecond / 1e9,
    readGigabytesPerSecond: readBytesPerSecond / 1e9,
    shareOfRead: bytesPerSecond / readBytesPerSecond,
    dispatchMicroseconds: dispatchSeconds * 1e6,
    secondsPerToken: 1 / tokensPerSecond,
    boundSeconds: bytesPerToken / (BOUND_SHARE * readBytesPerSecond) + dispatchesPerToken * dispatchSeconds,
  };
}

function gpuLines(gpu: GpuBound): string {
  const milliseconds = (seconds: number): string => `${threeDigits(seconds * 1000)} ms`;
  return `a token  ${milliseconds(gpu.secondsPerToken)}: ${threeDigits(gpu.bytesPerToken / 1e6)} MB with the cache at ${threeDigits(gpu.gigabytesPerSecond)} GB/s, ${threeDigits(100 * gpu.shareOfRead)} % of the ${threeDigits(gpu.readGigabytesPerSecond)} GB/s of plain reading
bound    ${milliseconds(gpu.boundSeconds)}: those bytes at ${100 * BOUND_SHARE} % of plain reading, and ${gpu.dispatchesPerToken} dispatches of ${threeDigits(gpu.dispatchMicroseconds)} us
`;
}

interface Report {
  readonly description: string;
  readonly device: string;
  readonly prompt: Timing;
  readonly generate: Timing;
  readonly weightBytesPerToken: number;
  readonly gigabytesPerSecond: number;
  readonly gpu?: GpuBound;
}

function page({ device, description, prompt, generate, weightBytesPerToken, gigabytesPerSecond, gpu }: Report): string {
  const speed = ({ tokens, tokensPerSecond }: Timing): string =>
    `${tokens} tokens, ${threeDigits(tokensPerSecond)} tokens/s`;
  return `device   ${device}: ${description}
reading  ${speed(prompt)}
writing  ${speed(generate)}, ${threeDigits(gigabytesPerSecond)} GB/s at ${threeDigits(weightBytesPerToken / 1e6)} MB of weights a token
${gpu ? gpuLines(gpu) : ''}`;
}
