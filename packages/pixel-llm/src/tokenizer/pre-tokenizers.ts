/**
 * The published ways in which byte-level BPE models cut text into words before merging, by the name a GGUF file gives in
 * `tokenizer.ggml.pre`. Each is a list of patterns applied one after the other: the first cuts the text into its matches and what
 * lies between them, the next cuts each of those pieces, and so on. To add one: add a row, with its golden texts.
 */
import { PixelError } from '../core/errors.ts';

export interface PreTokenizer {
  readonly patterns: readonly RegExp[];
  /** A word that is a token as a whole becomes it, whatever the merges say. */
  readonly ignoreMerges: boolean;
  /** Whether BOS is added when the metadata do not say. */
  readonly addBos: boolean;
}

// Unicode's White_Space, which is what `\s` means where these patterns come from. JavaScript's own `\s` differs: it has
// U+FEFF and lacks U+0085.
const SPACE = '\\p{White_Space}';
const NOT_SPACE = '\\P{White_Space}';

const GPT2 = `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^${SPACE}\\p{L}\\p{N}]+|${SPACE}+(?!${NOT_SPACE})|${SPACE}+`;
const LLAMA3: string = cl100k('\\p{N}{1,3}');
const QWEN2: string = cl100k('\\p{N}');
const HAN_AND_HANGUL = '[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+';

/** Patterns whose matches leave nothing between them: see word-splitter.ts. */
const COMPLETE: ReadonlySet<string> = new Set([GPT2, LLAMA3, QWEN2]);

interface Row {
  readonly names: readonly string[];
  readonly patterns: readonly string[];
  readonly ignoreMerges?: boolean;
  readonly addBos?: boolean;
}

const ROWS: readonly Row[] = [
  {
    names: ['gpt-2', 'gpt2', 'phi-2', 'mpt', 'olmo', 'jais', 'trillion', 'gigachat', 'exaone4', 'mellum', 'a.x-4.0'],
    patterns: [GPT2],
  },
  {
    names: ['llama-bpe', 'llama3', 'llama-v3', 'falcon3', 'falcon-h1', 'pixtral', 'midm-2.0', 'lfm2'],
    patterns: [LLAMA3],
    ignoreMerges: true,
    addBos: true,
  },
  { names: ['dbrx', 'smaug-bpe'], patterns: [LLAMA3] },
  { names: ['qwen2', 'deepseek-r1-qwen', 'stablelm2', 'hunyuan', 'megrez', 'kormo'], patterns: [QWEN2] },
  {
    names: ['deepseek-coder'],
    patterns: ['[\\r\\n]', `${SPACE}?\\p{L}+`, `${SPACE}?\\p{P}+`, HAN_AND_HANGUL, '\\p{N}'],
  },
  { names: ['falcon'], patterns: ['[\\p{P}$+<=>^~|`]+', GPT2, '[0-9][0-9][0-9]'] },
  {
    names: ['smollm', 'starcoder', 'refact', 'command-r', 'codeshell', 'exaone', 'minerva-7b'],
    patterns: ['\\p{N}', GPT2],
  },
  { names: ['default'], patterns: ['[\\p{P}$+<=>^~|]+', GPT2, '\\p{N}+', '[0-9][0-9][0-9]'] },
];

/** The pre-tokenizer of a name; without one, `default`. Throws `unknown-pre-tokenizer`, which lists the known ones. */
export function preTokenizerOf(name = 'default'): PreTokenizer {
  const row = ROWS.find(({ names }) => names.includes(name));
  if (!row) {
    const known = ROWS.flatMap(({ names }) => names).join(', ');
    throw new PixelError(
      'unknown-pre-tokenizer',
      `The model's pre-tokenizer ${JSON.stringify(name)} (tokenizer.ggml.pre) is not known here. Known: ${known}.`,
    );
  }
  return {
    patterns: row.patterns.map((pattern) => new RegExp(pattern, COMPLETE.has(pattern) ? 'uy' : 'gu')),
    ignoreMerges: row.ignoreMerges ?? false,
    addBos: row.addBos ?? false,
  };
}

/** The pattern that came with OpenAI's cl100k vocabulary, which later models vary in how they cut digits. */
function cl100k(digits: string): string {
  return [
    "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]",
    '[^\\r\\n\\p{L}\\p{N}]?\\p{L}+',
    digits,
    ` ?[^${SPACE}\\p{L}\\p{N}]+[\\r\\n]*`,
    `${SPACE}*[\\r\\n]+`,
    `${SPACE}+(?!${NOT_SPACE})`,
    `${SPACE}+`,
  ].join('|');
}
