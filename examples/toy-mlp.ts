/**
 * A whole model in `8 -> 16 -> 8`: a byte's eight numbers go through one hidden layer of sixteen, and the byte whose eight numbers fit the result best is
 * the answer. It learns to say a byte's bits in reverse order, becomes a picture, and computes from its pixels on every device.
 *
 *     node examples/toy-mlp.ts [--adapter NAME] [--out FILE]
 */
import { newToyMlp, trainTokenizer } from 'pixel-llm';
import { conclude } from './arguments.ts';
import { nextToken, onDevices, toyOptions, trainToPicture } from './toy.ts';

const options = toyOptions(
  "A toy MLP, 8 -> 16 -> 8, learns to reverse a byte's bits, as a picture, on every device.",
  'toy-mlp',
);

// The smallest vocabulary: an end of text, and the 256 bytes.
const bytes = await trainTokenizer([], { vocabulary: 257 });
const tokenOf = (byte: number): number => 1 + byte;
const reversed = (byte: number): number =>
  Number.parseInt(byte.toString(2).padStart(8, '0').split('').reverse().join(''), 2);
const everyByte = [...Array(256).keys()];

await trainToPicture(
  newToyMlp(bytes),
  everyByte.map((byte) => ({ tokens: [tokenOf(byte), tokenOf(reversed(byte))], learnFrom: 1 })),
  { steps: 400, picture: options.picture },
);

/** What the hidden layer gives for each byte, on the first device. */
let expected: Float32Array[] | undefined;
let largest = 0;
let allWrong = 0;
for await (const model of onDevices(options)) {
  let wrong = 0;
  const rows: Float32Array[] = [];
  for (const byte of everyByte) {
    if ((await nextToken(model, tokenOf(byte))) !== tokenOf(reversed(byte))) wrong++;
    rows.push(await model.embed([tokenOf(byte)], { pooling: 'last' }));
  }
  allWrong += wrong;
  expected ??= rows;
  const difference = Math.max(
    ...rows.map((row, i) => Math.max(...row.map((value, k) => Math.abs(value - expected![i]![k]!)))),
  );
  largest = Math.max(largest, difference);
  console.log(
    `${model.device}: ${wrong} of 256 bytes wrong; differs from the reference by ${difference.toExponential(1)} of a row's length`,
  );
}
// Rows of embed() have length 1, so that a difference is a relative one.
conclude(allWrong > 0 ? Infinity : largest, 1e-6);
