/** The tokenizer against other programs' vocabularies, texts and templates. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { MemoryByteSource } from '../src/core/byte-source.ts';
import { isPixelError } from '../src/core/errors.ts';
import { readGgufHead } from '../src/gguf/reader.ts';
import { type ChatMessage, createChatTemplate, createChatTemplateOf } from '../src/tokenizer/chat-template.ts';
import { createTokenizer, type Tokenizer } from '../src/tokenizer/tokenizer.ts';
import { golden, goldenTest } from './goldens.ts';

const VOCABULARIES = ['deepseek-coder', 'falcon', 'gpt-2', 'llama-spm', 'phi-3', 'qwen2'];
const SEPARATOR = '\n__ggml_vocab_test__\n';

async function tokenizerOf(path: string): Promise<Tokenizer> {
  const source = new MemoryByteSource(await readFile(golden(path)), path);
  return createTokenizer((await readGgufHead(source)).metadata);
}

for (const name of VOCABULARIES) {
  goldenTest(`${name} gives llama.cpp's ids for every golden text, and the text back from them`, async () => {
    const path = `tokenizer/ggml-vocab-${name}.gguf`;
    const tokenizer = await tokenizerOf(path);
    const texts = (await readFile(golden(`${path}.inp`), 'utf8')).split(SEPARATOR);
    const lines = (await readFile(golden(`${path}.out`), 'utf8')).split('\n');
    assert.equal(texts.length, 47);
    for (const [index, text] of texts.entries()) {
      const expected = (lines[index]?.trim() ?? '').split(' ').filter(Boolean).map(Number);
      assert.deepEqual([...tokenizer.encode(text, { addSpecial: false })], expected, JSON.stringify(text));
      assert.equal(tokenizer.decode(expected), text);
    }
  });
}

goldenTest('a whole book survives every golden vocabulary', async () => {
  const text = (await readFile(golden('text/tinyshakespeare.txt'), 'utf8')).slice(0, 100_000);
  for (const name of VOCABULARIES) {
    const tokenizer = await tokenizerOf(`tokenizer/ggml-vocab-${name}.gguf`);
    assert.equal(tokenizer.decode(tokenizer.encode(text)), text, name);
  }
});

goldenTest('the golden vocabularies know where an answer ends, and add BOS as they should', async () => {
  const facts = await Promise.all(
    VOCABULARIES.map(async (name) => {
      const tokenizer = await tokenizerOf(`tokenizer/ggml-vocab-${name}.gguf`);
      const ends: string[] = [];
      for (let token = 0; token < tokenizer.vocabSize; token++) {
        if (tokenizer.isEndOfText(token)) ends.push(tokenizer.tokenText(token));
      }
      return [name, tokenizer.addsBos, ...ends];
    }),
  );
  assert.deepEqual(facts, [
    ['deepseek-coder', true, '<｜end▁of▁sentence｜>', '<|EOT|>'],
    ['falcon', false, '<|endoftext|>'],
    ['gpt-2', false, '<|endoftext|>'],
    ['llama-spm', true, '</s>'],
    ['phi-3', true, '</s>', '<|endoftext|>', '<|end|>'],
    ['qwen2', false, '<|endoftext|>', '<|im_end|>'],
  ]);
});

goldenTest('a real model’s prompt has the ids that its oracle was given, BOS included', async () => {
  const { prompt, text } = JSON.parse(await readFile(golden('models/TinyStories-656K-Q8_0.json'), 'utf8')) as {
    prompt: number[];
    text: string;
  };
  const tokenizer = await tokenizerOf('models/TinyStories-656K-Q8_0.gguf');
  assert.deepEqual([...tokenizer.encode(text)], prompt);
  assert.equal(tokenizer.decode(prompt), text);
});

const TURNS: readonly ChatMessage[] = [
  { role: 'user', content: 'Hi' },
  { role: 'assistant', content: 'Hello!' },
  { role: 'user', content: 'Bye' },
];
const WITH_SYSTEM: readonly ChatMessage[] = [{ role: 'system', content: 'Be kind.' }, ...TURNS];

async function renderGolden(
  name: string,
  messages: readonly ChatMessage[],
  addGenerationPrompt = true,
): Promise<string> {
  const template = createChatTemplateOf(await readFile(golden(`chat/${name}.jinja`), 'utf8'), {
    bosText: '<bos>',
    eosText: '<eos>',
  });
  return template.render(messages, { addGenerationPrompt, now: new Date(2025, 0, 9) });
}

goldenTest('Qwen 2.5 is rendered in ChatML, with its own system message where none is given', async () => {
  const name = 'Qwen-Qwen2.5-7B-Instruct';
  const turns =
    '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello!<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n';
  const answer = '<|im_start|>assistant\n';
  assert.equal(await renderGolden(name, WITH_SYSTEM), `<|im_start|>system\nBe kind.<|im_end|>\n${turns}${answer}`);
  const own = 'You are Qwen, created by Alibaba Cloud. You are a helpful assistant.';
  assert.equal(await renderGolden(name, TURNS, false), `<|im_start|>system\n${own}<|im_end|>\n${turns}`);
});

goldenTest('Gemma 2 is rendered with "model" for the assistant, and refuses a system message', async () => {
  const name = 'google-gemma-2-2b-it';
  assert.equal(
    await renderGolden(name, TURNS),
    '<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\nHello!<end_of_turn>\n' +
      '<start_of_turn>user\nBye<end_of_turn>\n<start_of_turn>model\n',
  );
  await assert.rejects(
    renderGolden(name, WITH_SYSTEM),
    (error) => isPixelError(error, 'bad-template') && error.message.includes('System role not supported'),
  );
});

goldenTest('Llama 3.2 is rendered with today’s date', async () => {
  const turn = (role: string, text: string) => `<|start_header_id|>${role}<|end_header_id|>\n\n${text}<|eot_id|>`;
  const date = 'Cutting Knowledge Date: December 2023\nToday Date: 09 Jan 2025\n\n';
  assert.equal(
    await renderGolden('meta-llama-Llama-3.2-3B-Instruct', WITH_SYSTEM),
    `<bos>${turn('system', `${date}Be kind.`)}${turn('user', 'Hi')}${turn('assistant', 'Hello!')}${turn('user', 'Bye')}` +
      '<|start_header_id|>assistant<|end_header_id|>\n\n',
  );
});

goldenTest('Phi 3.5 is rendered, and ends with EOS when nothing is to be answered', async () => {
  const name = 'microsoft-Phi-3.5-mini-instruct';
  const turns =
    '<|system|>\nBe kind.<|end|>\n<|user|>\nHi<|end|>\n<|assistant|>\nHello!<|end|>\n<|user|>\nBye<|end|>\n';
  assert.equal(await renderGolden(name, WITH_SYSTEM), `${turns}<|assistant|>\n`);
  assert.equal(await renderGolden(name, WITH_SYSTEM, false), `${turns}<eos>`);
});

goldenTest('a golden vocabulary with a template of its own turns a conversation into ids', async () => {
  const path = 'tokenizer/ggml-vocab-phi-3.gguf';
  const source = new MemoryByteSource(await readFile(golden(path)), path);
  const { metadata } = await readGgufHead(source);
  const tokenizer = createTokenizer(metadata);
  const tokens = createChatTemplate(metadata)?.encode([{ role: 'user', content: 'Hello<|end|>' }], tokenizer) ?? [];
  assert.equal(tokenizer.decode(tokens, { special: true }), '<s><|user|>Hello<|end|><|end|><|assistant|>');
  assert.equal([...tokens].filter((token) => tokenizer.tokenText(token) === '<|end|>').length, 1);
});
