/** The models and prompts that all runtimes are given: made here, the same every time, kept in a folder until it is removed. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { openFileByteSink } from '../../packages/pixel-llm/src/core/node.ts';
import {
  convertToPictures,
  createTokenizer,
  makeModel,
  openContentFile,
  openWeightsFile,
  type Tokenizer,
} from '../../packages/pixel-llm/src/node.ts';
import { MADE_TYPES, SHAPE_NAMES } from '../../packages/pixel-llm/src/pxi/make-model/make-model.ts';
import { pictureNames } from '../../packages/pixel-llm/src/pxi/set-names.ts';
import type { Prompt } from './protocol.ts';

const SEED = 1;
/** For prompts that are not one word again and again. */
const FEWEST_WORDS = 8;

/** The path of a random model in a shape and type, made if it is not there. */
export async function madeModel(folder: string, shapeName: string, typeName: string): Promise<string> {
  const shape = oneOf(SHAPE_NAMES, shapeName, 'shape');
  const type = oneOf(MADE_TYPES, typeName, 'type');
  return made(folder, `${shape}-${type}.gguf`, async (path) => {
    await makeModel({ shape, type, seed: SEED }, await openFileByteSink(path, { sync: false }));
  });
}

/** The same model as a picture, or a set of them: the path of the first. */
export async function madePicture(folder: string, ggufPath: string): Promise<string> {
  const name = basename(ggufPath, '.gguf');
  const pictures = await made(folder, `${name}-pictures`, async (path) => {
    await mkdir(path);
    const content = await openContentFile(ggufPath);
    await convertToPictures(content, (index, count) => {
      const file = pictureNames(`${name}.pxi.png`, count)[index] ?? name;
      return openFileByteSink(join(path, file), { sync: false });
    });
    await content.dispose();
  });
  const [first = name] = (await readdir(pictures)).sort();
  return join(pictures, first);
}

/** Other prompts for other seeds: words that are one token each, so that text and tokens say the same to every tokenizer. */
export async function promptMaker(modelPath: string): Promise<(length: number, seed: number) => Prompt> {
  const tokenizer = await readTokenizer(modelPath);
  const encode = (text: string) => tokenizer.encode(text, { addSpecial: true });
  const specials = encode('').length;
  const words: string[] = [];
  for (let token = 0; token < tokenizer.vocabSize; token++) {
    const word = tokenizer.decode([token]);
    if (/^ [a-z]{1,12}$/.test(word) && encode(word).length === specials + 1) words.push(word);
  }
  if (words.length < FEWEST_WORDS) throw new Error(`${modelPath} has too few words that are one token each.`);
  return (length, seed) => {
    let text = '';
    for (let at = specials, state = seed; at < length; at++) {
      // Park and Miller's generator: enough to choose words.
      state = (state * 48_271 + 11) % 2_147_483_647;
      text += words[state % words.length];
    }
    const tokens = [...encode(text)];
    if (tokens.length !== length) throw new Error(`A prompt has ${tokens.length} tokens instead of ${length}.`);
    return { text, tokens };
  };
}

export async function readTokenizer(modelPath: string): Promise<Tokenizer> {
  const weights = await openWeightsFile(modelPath);
  await weights.dispose();
  return createTokenizer(weights.head.metadata);
}

/** The path of a file or folder in the folder, made under another name first, so that what is there is whole. */
export async function made(folder: string, name: string, make: (path: string) => Promise<void>): Promise<string> {
  const path = join(folder, name);
  if (existsSync(path)) return path;
  await mkdir(folder, { recursive: true });
  console.error(`making ${name}`);
  const unfinished = join(folder, `unfinished-${process.pid}-${name}`);
  try {
    await make(unfinished);
    await rename(unfinished, path);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return path;
}

function oneOf<Name extends string>(names: readonly Name[], wanted: string, what: string): Name {
  const name = names.find((known) => known === wanted);
  if (name === undefined) throw new Error(`There is no ${what} ${wanted}. There are: ${names.join(', ')}.`);
  return name;
}
