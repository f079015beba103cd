/** Every step of a training, kept as JSON lines, and the picture of its losses beside them. */
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { PixelError } from '../core/errors.ts';
import { encodeImage } from '../png/encode-image.ts';
import { drawLosses, type LossPoint } from '../train/loss-picture.ts';
import type { TrainingReport } from '../train/train-model.ts';

export class LossLog {
  readonly #path: string;
  readonly #title: string;
  readonly #points: LossPoint[];

  private constructor(path: string, title: string, points: LossPoint[]) {
    this.#path = path;
    this.#title = title;
    this.#points = points;
  }

  /** Goes on after a step: what the file has of later ones was learned and lost. From 0 the file is begun anew. Throws `bad-argument`, `bad-data`. */
  static async open(path: string, title: string, step: number): Promise<LossLog> {
    if (!path.endsWith('.jsonl')) throw new PixelError('bad-argument', `${path}: call the log NAME.jsonl.`);
    const text = step === 0 ? '' : await readFile(path, 'utf8').catch(() => '');
    const points = text
      .split('\n')
      .filter((line) => line.endsWith('}'))
      .map((line) => parsePoint(path, line))
      .filter((point) => point.step <= step);
    await writeFile(path, points.map((point) => `${JSON.stringify(point)}\n`).join(''));
    return new LossLog(path, title, points);
  }

  async add(report: TrainingReport): Promise<void> {
    this.#points.push(report);
    await appendFile(this.#path, `${JSON.stringify(report)}\n`);
  }

  async draw(): Promise<void> {
    if (this.#points.length === 0) return;
    const image = await encodeImage(drawLosses(this.#title, this.#points), { Software: 'pixel-llm train' });
    await writeFile(this.#path.replace(/\.jsonl$/, '.png'), image);
  }
}

function parsePoint(path: string, line: string): LossPoint {
  try {
    const point = JSON.parse(line) as LossPoint;
    if (Number.isFinite(point.step) && Number.isFinite(point.loss)) return point;
  } catch {
    // Said below.
  }
  throw new PixelError('bad-data', `${path} is not the log of a training: "${line.slice(0, 60)}".`);
}
