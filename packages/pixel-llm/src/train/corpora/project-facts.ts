/**
 * What a model of the project knows about the project. Each fact says where in the documentation it stands, in the documentation's own words
 * (`evidence`, checked by a test), so that the two cannot part unnoticed.
 */

export interface ProjectFact {
  /** From the repository's root. */
  readonly source: string;
  readonly evidence: string;
  readonly answer: string;
  /** Ways to ask, as the end of "Tell me": a clause without capital letter and question mark. */
  readonly asks: readonly string[];
}

export const PROJECT_FACTS: readonly ProjectFact[] = [
  {
    source: 'README.md',
    evidence: 'Language models that live in pixels',
    answer: 'Pixel-LLM is a system for language models that live in pixels.',
    asks: ['what Pixel-LLM is', 'what the project Pixel-LLM is', 'what Pixel-LLM means', 'what this project is'],
  },
  {
    source: 'README.md',
    evidence: 'A `.pxi.png` file is an ordinary PNG',
    answer: 'It is an ordinary PNG whose pixels are a model.',
    asks: [
      'what a pxi.png file is',
      'what is in a pxi.png file',
      'what a file named pxi.png holds',
      'what pxi.png means',
    ],
  },
  {
    source: 'README.md',
    evidence: 'turns back into its GGUF byte for byte',
    answer: 'Yes, it turns back into the same GGUF byte for byte.',
    asks: [
      'whether a picture can become a GGUF again',
      'whether a picture turns back into its GGUF',
      'whether converting to a picture and back gives the same bytes',
      'whether anything is lost when a GGUF becomes a picture',
    ],
  },
  {
    source: 'README.md',
    evidence: 'All in TypeScript',
    answer: 'It is written in TypeScript.',
    asks: [
      'what language Pixel-LLM is written in',
      'which programming language the project uses',
      'what Pixel-LLM is programmed in',
      'in what language the code is',
    ],
  },
  {
    source: 'README.md',
    evidence: 'for Node\nand the browser',
    answer: 'It runs in Node and the browser.',
    asks: ['where Pixel-LLM runs', 'where a model can run', 'what Pixel-LLM runs in', 'on what the project runs'],
  },
  {
    source: 'README.md',
    evidence: 'npm ci && npm start',
    answer: 'Run npm ci and npm start.',
    asks: ['how to start', 'how to try Pixel-LLM', 'how one begins with Pixel-LLM', 'what to run first'],
  },
  {
    source: 'README.md',
    evidence: 'npm ci && npm test',
    answer: 'Run npm ci and npm test.',
    asks: ['how to prove everything', 'how to run the tests', 'how the project is tested', 'how one tests Pixel-LLM'],
  },
  {
    source: 'README.md',
    evidence: 'pixel-llm convert model.gguf model.pxi.png',
    answer: 'The command convert makes a picture of a GGUF.',
    asks: [
      'how a GGUF becomes a picture',
      'how to make a picture of a GGUF',
      'which command turns a model into a picture',
      'how to convert a model',
    ],
  },
  {
    source: 'README.md',
    evidence: "every line's CRC, every tensor's SHA-256",
    answer: 'The command verify checks the CRC of every line and the hash of every tensor.',
    asks: [
      'how to check a picture',
      'which command finds damage',
      'what the command verify does',
      'how one verifies a model',
    ],
  },
  {
    source: 'README.md',
    evidence: 'pixel-llm render model.pxi.png view.png',
    answer: 'The command render draws the weights for people.',
    asks: [
      'how to look at the weights',
      'which command draws a model',
      'what the command render does',
      'how weights are drawn',
    ],
  },
  {
    source: 'README.md',
    evidence: 'a conversation at the terminal',
    answer: 'The command chat holds a conversation at the terminal.',
    asks: [
      'how to talk with a model',
      'which command holds a conversation',
      'what the command chat does',
      'how one chats with a model',
    ],
  },
  {
    source: 'README.md',
    evidence: 'any bytes as a PNG',
    answer: 'PixelFS stores any bytes as a PNG.',
    asks: ['what PixelFS is', 'what PixelFS does', 'what PixelFS is for', 'what one stores with PixelFS'],
  },
  {
    source: 'README.md',
    evidence: 'bright where its weights are large, coloured by their sign',
    answer: 'It is bright where weights are large.',
    asks: [
      'where the picture of a model is bright',
      'what bright means in a drawn model',
      'what bright pixels mean in render',
      'why parts of a drawn model are bright',
    ],
  },
  {
    source: 'README.md',
    evidence: 'a row of canary pixels tells what another program did',
    answer: 'Canary pixels tell what another program did to the picture.',
    asks: [
      'what canary pixels are for',
      'what the canaries tell',
      'why there are canary pixels',
      'how the project knows what another program did',
    ],
  },
  {
    source: 'docs/format.md',
    evidence: 'as written: 6 (RGBA), 8 bit, not interlaced',
    answer: 'Pixels are RGBA with 8 bits each.',
    asks: [
      'what kind of pixels a picture has',
      'how many bits a colour has',
      'which colour type the PNG has',
      'what the pixels of a picture are',
    ],
  },
  {
    source: 'docs/format.md',
    evidence: 'a power of two, 64 to 8192',
    answer: 'The width is a power of two from 64 to 8192.',
    asks: ['how wide a picture is', 'what width a picture has', 'which widths are allowed', 'how wide a model can be'],
  },
  {
    source: 'docs/format.md',
    evidence: 'so that no file exceeds 256 MiB',
    answer: 'No picture is larger than 256 MiB.',
    asks: [
      'how large a picture can be',
      'what the largest file is',
      'how big a file of a model gets',
      'what the limit of a picture is',
    ],
  },
  {
    source: 'docs/format.md',
    evidence: '"PXLM"',
    answer: 'The superblock begins with PXLM.',
    asks: [
      'what the superblock begins with',
      'what the first letters of the superblock are',
      'which letters mark a picture',
      'how a picture is recognised',
    ],
  },
  {
    source: 'docs/format.md',
    evidence: 'a **plane** is one field of all of a part',
    answer: 'A plane is one field of all the blocks of a tensor.',
    asks: ['what a plane is', 'what planes are', 'what is stored in a plane', 'what one calls a plane'],
  },
  {
    source: 'docs/format.md',
    evidence: 'a plane with one unit a weight, the embedding on top, layers below, the output last',
    answer: 'In weight space every weight is one unit, with the embedding on top.',
    asks: ['what weight space is', 'how weights are placed', 'what is on top in weight space', 'where a weight lies'],
  },
  {
    source: 'docs/format.md',
    evidence: 'pixel data are stored, not deflated',
    answer: 'It is mappable when its pixel data are stored and not deflated.',
    asks: [
      'what mappable means',
      'when a picture is mappable',
      'what a mappable picture is',
      'why a picture can be read in place',
    ],
  },
  {
    source: 'docs/training.md',
    evidence: 'Ctrl-C saves; the same command goes on',
    answer: 'Press Ctrl-C and it saves, and the same command goes on.',
    asks: [
      'how to stop a training',
      'what happens at Ctrl-C in training',
      'how one pauses a training',
      'how a training goes on',
    ],
  },
  {
    source: 'docs/training.md',
    evidence: 'A checkpoint is a picture of kind `checkpoint`',
    answer: 'A checkpoint is a picture with the model and the moments of the optimizer.',
    asks: ['what a checkpoint is', 'what is in a checkpoint', 'what a checkpoint holds', 'how a training is kept'],
  },
  {
    source: 'README.md',
    evidence: 'A local model (free) writes',
    answer: 'A local model writes, tests prove and another model reviews.',
    asks: ['what pixel-coach does', 'how the coach works', 'who writes in the coach', 'what the coach is'],
  },
  {
    source: 'README.md',
    evidence: 'MIT licensed',
    answer: 'It has the MIT license.',
    asks: [
      'which license Pixel-LLM has',
      'how the project is licensed',
      'what the license is',
      'under which license the code is',
    ],
  },
];
