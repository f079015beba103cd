/**
 * A model that lives on a plane: the toy MLP is trained, mounted on an InfiniteMap at (-100, 40) and run from there, with the same bits as from its
 * file. Then it learns another task; what changed is kept as an overlay, which holds only the tiles that differ, and dropping it is undo.
 *
 *     node examples/toy-mlp-map.ts [--out FILE]
 */
import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  createMapFile,
  loadCpuTraining,
  loadModel,
  type Model,
  mountPath,
  newToyMlp,
  openFileByteSink,
  openMap,
  openWeightsFile,
  saveDifference,
  type TrainingSequence,
  trainOnSequences,
  trainTokenizer,
  type WeightSource,
  writeTrainedModel,
} from 'pixel-llm';
import { nextToken, toyOptions, trainToPicture } from './toy.ts';

const options = toyOptions(
  'The toy MLP on an InfiniteMap: run from there, changed by an overlay, and changed back.',
  'toy-mlp-map',
);
const tokenOf = (byte: number): number => 1 + byte;
const everyByte = [...Array(256).keys()];
const reversed = (byte: number): number =>
  Number.parseInt(byte.toString(2).padStart(8, '0').split('').reverse().join(''), 2);
const lessons = (answer: (byte: number) => number): TrainingSequence[] =>
  everyByte.map((byte) => ({ tokens: [tokenOf(byte), tokenOf(answer(byte))], learnFrom: 1 }));

const bytes = await trainTokenizer([], { vocabulary: 257 });
await trainToPicture(newToyMlp(bytes), lessons(reversed), { steps: 400, picture: options.picture });

const path = join(dirname(options.picture), 'toy-mlp-map.pxmap');
for (const ending of ['', '-wal', '-shm']) rmSync(path + ending, { force: true });
createMapFile(path);
await using map = openMap(path);
await map.mount(mountPath(path, options.picture), { name: 'toy', at: { x: -100, y: 40 } });

const fromFile = await answers(options.picture);
const fromMap = await answers(`${path}#toy`);
const isSame = fromFile.rows.every(
  (row, i) => Buffer.compare(Buffer.from(row.buffer), Buffer.from(fromMap.rows[i]!.buffer)) === 0,
);
console.log(
  `From its file and from the map, ${isSame ? 'the same bits' : 'OTHER BITS'}; ${wrong(fromMap, reversed)} of 256 bytes wrong.`,
);

// Another task: the reversed bits, each of them turned over.
const inverted = (byte: number): number => reversed(255 - byte);
const tuned = options.picture.replace(/\.pxi\.png$/, '-tuned.pxi.png');
const base = await openWeightsFile(options.picture);
await trainInto(base, lessons(inverted), tuned);
await base.dispose();
const changed = await openWeightsFile(tuned);
const saved = await saveDifference(map, { region: 'toy', overlay: 'inverted', changed });
await changed.dispose();
const { store } = await map.statistics();
console.log(
  `The overlay "inverted": ${saved.bytes} bytes of ${saved.changed} of ${saved.tensors} tensors, in ${store.tiles} tiles.`,
);
const through = await answers(`${path}#toy+inverted`);
console.log(`Through it, ${wrong(through, inverted)} of 256 bytes wrong of the new task.`);

await map.dropOverlay('inverted');
const again = await answers(`${path}#toy`);
const isUndone = again.tokens.every((token, i) => token === fromFile.tokens[i]);
console.log(`Dropped: ${isUndone ? 'as it was' : 'NOT AS IT WAS'}.`);
if (!isSame || !isUndone || wrong(fromMap, reversed) + wrong(through, inverted) > 0) process.exitCode = 1;

interface Answers {
  readonly tokens: number[];
  readonly rows: Float32Array[];
}

async function answers(source: string): Promise<Answers> {
  await using model: Model = await loadModel(source, { device: 'cpu', threads: 1 });
  const [tokens, rows]: [number[], Float32Array[]] = [[], []];
  for (const byte of everyByte) {
    tokens.push(await nextToken(model, tokenOf(byte)));
    rows.push(await model.embed([tokenOf(byte)], { pooling: 'last' }));
  }
  return { tokens, rows };
}

function wrong({ tokens }: Answers, answer: (byte: number) => number): number {
  return everyByte.filter((byte) => tokens[byte] !== tokenOf(answer(byte))).length;
}

async function trainInto(model: WeightSource, sequences: readonly TrainingSequence[], picture: string): Promise<void> {
  const load = loadCpuTraining({ threads: 1 });
  const weights = await trainOnSequences(model, sequences, { load, steps: 400 });
  await writeTrainedModel(model, weights, () => openFileByteSink(picture));
}
