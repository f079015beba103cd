/** A drawing that a command writes: a PNG to look at, which must not be taken for a model. */
import { PixelError } from '../core/errors.ts';
import { encodeImage, type Image } from '../png/encode-image.ts';
import type { CommandContext } from './command.ts';
import { refuseSameFile } from './same-file.ts';
import { writeWhole } from './write-whole.ts';

/** Throws `bad-argument` for a name that is no PNG's or that is a model's, and for one of the inputs. */
export async function checkDrawingName(output: string, inputs: readonly string[]): Promise<void> {
  if (!/\.png$/i.test(output) || /\.pxi\.png$/i.test(output)) {
    throw new PixelError('bad-argument', `${output}: a drawing is a PNG but no model; call it NAME.png.`);
  }
  for (const input of inputs) await refuseSameFile(input, output);
}

/** Writes the drawing, and says so; `command` is named in the file as what drew it. */
export async function writeDrawing(
  output: string,
  image: Image,
  command: string,
  { note }: Pick<CommandContext, 'note'>,
): Promise<void> {
  const bytes = await encodeImage(image, { Software: `pixel-llm ${command}` });
  await writeWhole(output, bytes);
  note(`${output}: ${image.width} x ${image.height} pixels`);
}
