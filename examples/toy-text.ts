/**
 * From text to pixels to text, as small as it gets: words become tokens, a toy MLP (8 -> 16 -> 8) learns which token comes next, the model becomes a
 * picture, and the picture completes every phrase it was trained on, on every device. It sees one word at a time, so no word has two
 * words that follow it.
 *
 *     node examples/toy-text.ts [--adapter NAME] [--out FILE]
 */
import { createTokenizer, newToyMlp, trainTokenizer } from 'pixel-llm';
import { onDevices, toyOptions, trainToPicture } from './toy.ts';

const PHRASES = [
  'red pixels glow',
  'blue squares sleep softly',
  'every picture holds weights',
  'rows become words again',
  'cats chase moths',
  'rivers run downhill',
  'the map has no edge',
  'two plus three makes five',
  'a lantern lights our way',
  'small models learn fast',
  'birds sing before sunrise',
  'nobody forgets green',
];

const options = toyOptions('A toy MLP learns phrases, as a picture, and completes them on every device.', 'toy-text');

// As many merges as the words can use, so that each word becomes one token. What occurs once is not merged: hence twice.
const metadata = await trainTokenizer([...PHRASES, ...PHRASES], { vocabulary: 1000 });
const tokenizer = createTokenizer(metadata);
const end = tokenizer.eosToken ?? 0;
const sequences = PHRASES.map((phrase) => ({
  tokens: [...tokenizer.encode(phrase, { addSpecial: false }), end],
  learnFrom: 1,
}));
console.log(
  `${PHRASES.length} phrases, ${sequences.reduce((sum, { tokens }) => sum + tokens.length - 1, 0)} words, a vocabulary of ${tokenizer.vocabSize} tokens`,
);

await trainToPicture(newToyMlp(metadata, { name: 'toy text' }), sequences, { steps: 400, picture: options.picture });

let missed = 0;
for await (const model of onDevices(options)) {
  const completed: string[] = [];
  for (const { tokens } of sequences) {
    using session = model.createSession();
    const [first = 0] = tokens;
    const { text } = await session.generate([first], { temperature: 0, maxTokens: 16 }).complete();
    completed.push(tokenizer.decode([first]) + text);
  }
  const right = completed.filter((text, i) => text === PHRASES[i]).length;
  missed += PHRASES.length - right;
  console.log(`${model.device}: ${right} of ${PHRASES.length} phrases completed, the first: "${completed[0]}"`);
}
process.exitCode = missed === 0 ? 0 : 1;
