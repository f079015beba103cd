/** What the examples of the toy MLP have in common: options, devices, training until nothing is wrong, and asking for the next token. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  isPixelError,
  loadCpuTraining,
  loadModel,
  type Model,
  openFileByteSink,
  type TrainingSequence,
  trainOnSequences,
  type WeightSource,
  writeTrainedModel,
} from 'pixel-llm';

export interface ToyOptions {
  /** Where the picture goes. */
  readonly picture: string;
  readonly devices: readonly ('reference' | 'cpu' | 'gpu')[];
  readonly adapter: string | undefined;
}

export function toyOptions(description: string, name: string): ToyOptions {
  const { values } = parseArgs({
    options: { adapter: { type: 'string' }, out: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help) {
    console.log(`${description}

  --out FILE       where the picture goes (default: demo/${name}.pxi.png)
  --adapter NAME   compare with this GPU adapter, too: "llvmpipe" or "swiftshader" compute in software (default: a real GPU, if there is one)`);
    process.exit(0);
  }
  const folder = join(import.meta.dirname, '..', 'demo');
  mkdirSync(folder, { recursive: true });
  const picture = values.out ?? join(folder, `${name}.pxi.png`);
  return { picture, devices: ['reference', 'cpu', 'gpu'], adapter: values.adapter };
}

/** Trains the model on the sequences until each prediction is certain, and writes it as a picture. */
export async function trainToPicture(
  model: WeightSource,
  sequences: readonly TrainingSequence[],
  { steps, picture }: { steps: number; picture: string },
): Promise<void> {
  const weights = await trainOnSequences(model, sequences, {
    load: loadCpuTraining({ threads: 1 }),
    steps,
    onStep({ step, loss }) {
      if (step % 100 === 0) console.log(`step ${step}: ${loss.toFixed(4)} nats a prediction`);
      return undefined;
    },
  });
  await writeTrainedModel(model, weights, () => openFileByteSink(picture));
  console.log(`${picture} holds the trained model.`);
}

/** The picture on each device there is; says which is missing. */
export async function* onDevices({ picture, devices, adapter }: ToyOptions): AsyncGenerator<Model> {
  for (const device of devices) {
    let model: Model;
    try {
      model = await loadModel(picture, { device, ...(device === 'gpu' && { gpuAdapter: adapter }) });
    } catch (error) {
      if (!isPixelError(error, 'unknown-device')) throw error;
      console.log(`${device}: not here (${error.message.replaceAll('--gpu-adapter', '--adapter')})`);
      continue;
    }
    yield model;
    await model.dispose();
  }
}

/** The likeliest token after this one. */
export async function nextToken(model: Model, token: number): Promise<number> {
  using session = model.createSession();
  const { tokens } = await session
    .generate([token], { maxTokens: 1, temperature: 0, ignoreEndOfText: true })
    .complete();
  return tokens[0] ?? -1;
}
