/**
 * A tiny model with random weights, for tests of everything above the formats: llama architecture, 32 wide, 2 layers, F32, with a
 * SentencePiece vocabulary of readable characters, so that what it writes is printable noise. No file, no golden vectors.
 */
import type { MetadataValue, TensorInfo } from '../src/gguf/head.ts';
import { tensorTypeByName } from '../src/gguf/tensor-types.ts';
import { encodeGgufHead } from '../src/gguf/writer.ts';
import type { WeightSource } from '../src/pxi/weight-source.ts';

const DIM = 32;
const HIDDEN = 48;
const HEADS = 4;
const KV_HEADS = 2;
const LAYERS = 2;
export const TINY_CONTEXT = 160;
const CHAT_TEMPLATE =
  "{% for message in messages %}[{{ message['role'] }}]{{ message['content'] }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";

export interface TinyModel {
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  readonly tensors: readonly { readonly info: TensorInfo; readonly data: Uint8Array<ArrayBuffer> }[];
}

interface TinyOptions {
  seed?: number;
  /** Whether it brings a chat template. */
  chat?: boolean;
  contextLength?: number;
}

/** The model's head and weights; the same seed gives the same model. */
export function makeTinyModel({ seed = 1, chat = true, contextLength = TINY_CONTEXT }: TinyOptions = {}): TinyModel {
  const texts = vocabularyTexts();
  const random = gaussian(seed);
  const tensor = (name: string, dimensions: number[], scale: number, mean = 0): TinyModel['tensors'][number] => {
    const values = Float32Array.from({ length: dimensions.reduce((a, b) => a * b) }, () => mean + scale * random());
    const type = tensorTypeByName('F32');
    if (!type) throw new Error('F32 is missing');
    return { info: { name, type, dimensions, byteLength: values.byteLength }, data: new Uint8Array(values.buffer) };
  };
  const headDim = DIM / HEADS;
  const layer = (index: number): TinyModel['tensors'][number][] => [
    tensor(`blk.${index}.attn_norm.weight`, [DIM], 0.1, 1),
    tensor(`blk.${index}.attn_q.weight`, [DIM, DIM], 0.3),
    tensor(`blk.${index}.attn_k.weight`, [DIM, KV_HEADS * headDim], 0.3),
    tensor(`blk.${index}.attn_v.weight`, [DIM, KV_HEADS * headDim], 0.2),
    tensor(`blk.${index}.attn_output.weight`, [DIM, DIM], 0.2),
    tensor(`blk.${index}.ffn_norm.weight`, [DIM], 0.1, 1),
    tensor(`blk.${index}.ffn_gate.weight`, [DIM, HIDDEN], 0.2),
    tensor(`blk.${index}.ffn_up.weight`, [DIM, HIDDEN], 0.2),
    tensor(`blk.${index}.ffn_down.weight`, [HIDDEN, DIM], 0.2),
  ];
  return {
    metadata: tinyMetadata(texts, { chat, contextLength }),
    tensors: [
      tensor('token_embd.weight', [DIM, texts.length], 1),
      ...Array.from({ length: LAYERS }, (_, index) => layer(index)).flat(),
      tensor('output_norm.weight', [DIM], 0.1, 1),
      tensor('output.weight', [DIM, texts.length], 0.4),
    ],
  };
}

/** The model as a WeightSource that needs no file. `disposed` counts how often it was closed. */
export function tinyWeights(model: TinyModel = makeTinyModel()): WeightSource & { disposed: number } {
  const data = new Map(model.tensors.map((tensor) => [tensor.info.name, tensor]));
  return {
    name: 'tiny',
    disposed: 0,
    head: {
      metadata: model.metadata,
      tensors: new Map(model.tensors.map(({ info }) => [info.name, info])),
    },
    async readPlane(name, _plane, rows, target) {
      const tensor = data.get(name);
      if (!tensor) throw new Error(`no tensor ${name}`);
      const rowBytes = (tensor.info.dimensions[0] ?? 0) * 4;
      target.set(tensor.data.subarray(rows.start * rowBytes, rows.end * rowBytes));
    },
    async dispose() {
      this.disposed++;
    },
  };
}

/** The model as a GGUF file. */
export function tinyGguf({ metadata, tensors }: TinyModel = makeTinyModel()): Uint8Array<ArrayBuffer> {
  const head = encodeGgufHead({ metadata, tensors: tensors.map(({ info }) => info) });
  const file = new Uint8Array(head.fileBytes);
  file.set(head.bytes);
  for (const [index, { data }] of tensors.entries()) file.set(data, head.tensors[index]?.offset);
  return file;
}

function tinyMetadata(
  texts: readonly string[],
  { chat, contextLength }: { chat: boolean; contextLength: number },
): Map<string, MetadataValue> {
  const text = (value: string): MetadataValue => ({ type: 'string', value });
  const whole = (value: number): MetadataValue => ({ type: 'uint32', value });
  const types = texts.map((_, token) => (token === 0 ? 2 : token < 3 ? 3 : 1));
  const entries: [string, MetadataValue][] = [
    ['general.architecture', text('llama')],
    ['general.name', text('tiny')],
    ['llama.context_length', whole(contextLength)],
    ['llama.embedding_length', whole(DIM)],
    ['llama.block_count', whole(LAYERS)],
    ['llama.feed_forward_length', whole(HIDDEN)],
    ['llama.attention.head_count', whole(HEADS)],
    ['llama.attention.head_count_kv', whole(KV_HEADS)],
    ['llama.rope.dimension_count', whole(DIM / HEADS)],
    ['llama.attention.layer_norm_rms_epsilon', { type: 'float32', value: 1e-5 }],
    ['llama.vocab_size', whole(texts.length)],
    ['tokenizer.ggml.model', text('llama')],
    ['tokenizer.ggml.tokens', { type: 'array', itemType: 'string', value: texts }],
    ['tokenizer.ggml.scores', { type: 'array', itemType: 'float32', value: Float32Array.from(texts, scoreOf) }],
    ['tokenizer.ggml.token_type', { type: 'array', itemType: 'int32', value: Int32Array.from(types) }],
    ['tokenizer.ggml.bos_token_id', whole(1)],
    ['tokenizer.ggml.eos_token_id', whole(2)],
    ['tokenizer.ggml.unknown_token_id', whole(0)],
  ];
  if (chat) entries.push(['tokenizer.chat_template', text(CHAT_TEMPLATE)]);
  return new Map(entries);
}

/** Specials, the printable characters, and a few pairs: 3 + 95 + 30 tokens. */
function vocabularyTexts(): string[] {
  const characters = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index).replace(' ', '▁'));
  const pairs = 'th he in er an re on at en nd ti es or te of ed is it al ar st to nt ng se ha as ou io le'.split(' ');
  return ['<unk>', '<s>', '</s>', ...characters, ...pairs];
}

function scoreOf(text: string): number {
  return text.length === 2 ? -1 : text.length === 1 ? -10 : 0;
}

/** Standard normal numbers: mulberry32 through Box-Muller. */
function gaussian(seed: number): () => number {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}
