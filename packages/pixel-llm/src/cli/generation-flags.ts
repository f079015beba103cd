/** The options that run and chat share: how tokens are chosen, and what to run on. */
import { type Command, Option } from 'commander';
import { type DeviceName, KV_TYPES, type KvType } from '../backends/types.ts';
import type { GenerateOptions } from '../engine/generation.ts';
import type { LoadModelOptions } from '../engine/load-model.ts';
import type { Model } from '../engine/model.ts';
import { loadModel } from '../engine/node.ts';
import { ACTIVATION_MODES, type ActivationMode } from '../program/program.ts';
import { type CommandContext, decimalNumber, wholeNumber } from './command.ts';
import { pulledModel } from './local-model.ts';

export interface SamplingFlags {
  maxTokens: number;
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  repeatPenalty?: number;
  seed?: number;
  speculate?: number;
}

export interface DeviceFlags {
  /** As typed: whether there is such a device, selectBackend knows. */
  device: 'auto' | DeviceName;
  context?: number;
  threads?: number;
  kvType?: KvType;
  gpuAdapter?: string;
  gpuActivations?: ActivationMode;
  /** A LoRA adapter: a path. */
  adapter?: string;
  /** False: a URL is read by ranges, not pulled. */
  cache: boolean;
}

export function addSamplingFlags(command: Command, { maxTokens }: { maxTokens: number }): Command {
  return command
    .option('--max-tokens <n>', 'tokens to write at most', wholeNumber(0), maxTokens)
    .option(
      '--temperature <t>',
      '0 takes the likeliest token always; higher surprises more (default: 0.8)',
      decimalNumber(0, 1000),
    )
    .option('--top-k <n>', 'choose among the n likeliest tokens; 0 = all (default: 40)', wholeNumber(0))
    .option('--top-p <p>', 'choose among the fewest tokens that sum to p; 1 = all (default: 0.95)', decimalNumber(0, 1))
    .option('--min-p <p>', 'drop tokens less likely than p times the likeliest (default: 0.05)', decimalNumber(0, 1))
    .option('--repeat-penalty <x>', 'above 1: repeat less (default: 1)', decimalNumber(0.01, 100))
    .option(
      '--speculate <n>',
      'guess up to n tokens from the text so far: faster where it repeats, the same text',
      wholeNumber(0, 64),
    )
    .option('--seed <n>', 'the same seed writes the same text (default: random, and reported)', wholeNumber(0));
}

export function addDeviceFlags(command: Command): Command {
  return command
    .option('--device <name>', 'what to run on: auto, or a name that `pixel-llm devices` lists', 'auto')
    .option('--threads <n>', "threads to compute with (default: the device's choice)", wholeNumber(1, 1024))
    .addOption(
      new Option('--kv-type <type>', 'keys and values in f16, or in 8 bits (0.56 of the memory; device cpu)').choices(
        KV_TYPES,
      ),
    )
    .option('--gpu-adapter <name>', "a part of the GPU adapter's name, software adapters too (default: a real GPU)")
    .addOption(
      new Option(
        '--gpu-activations <type>',
        'what the GPU multiplies weights with: f32, or q8, rounded to 8 bits',
      ).choices(ACTIVATION_MODES),
    )
    .option('--adapter <file>', 'a LoRA adapter of the model, as `finetune` writes it')
    .option('--context <n>', "tokens of prompt and text together (default: the model's, at most 4096)", wholeNumber(1))
    .option('--no-cache', 'read a URL by ranges, and do not pull it into the cache');
}

export function samplingOptions(flags: SamplingFlags): GenerateOptions {
  const { maxTokens, temperature, topK, topP, minP, repeatPenalty, seed, speculate } = flags;
  const speculation = speculate === undefined ? undefined : { tokens: speculate };
  return { maxTokens, temperature, topK, topP, minP, repeatPenalty, seed, speculation };
}

/** Loads the model, from the cache if it is a URL, and says on stderr what it is. */
export async function loadForCommand(
  given: string,
  flags: DeviceFlags,
  context: CommandContext,
  { sequences }: Pick<LoadModelOptions, 'sequences'> = {},
): Promise<Model> {
  const { device, threads, kvType, gpuAdapter, gpuActivations, adapter, context: contextLength, cache } = flags;
  const path = cache ? await pulledModel(given, context) : given;
  const begun = performance.now();
  const model = await context.withProgress((onProgress, onNote) =>
    loadModel(path, {
      ...{ device, threads, kvType, gpuAdapter, gpuActivations, adapter, contextLength, sequences },
      ...{ signal: context.signal, onProgress, onNote },
    }),
  );
  const seconds = ((performance.now() - begun) / 1000).toFixed(2);
  context.note(
    `${path}: ${model.architecture}, context ${model.contextLength}, on the device "${model.device}", loaded in ${seconds} s`,
  );
  return model;
}
