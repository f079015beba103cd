/**
 * What a person sees of a training: at a terminal a panel that is drawn again with each step (loss as a curve, rate, time left), elsewhere a line now
 * and then.
 */
import type { WriteStream } from 'node:tty';
import type { SampleText } from '../train/sample-text.ts';
import type { TrainingReport } from '../train/train-model.ts';
import { lossCurve } from './loss-curve.ts';

const CURVE_ROWS = 8;
/** Where nobody redraws: a line at least this often. */
const LINE_SECONDS = 15;
/** Of a sample: all where nobody redraws, and its prompt's end. */
const SAMPLE_COLUMNS = 160;
const PROMPT_COLUMNS = 40;

type Terminal = Pick<WriteStream, 'isTTY' | 'columns'> & { write(text: string): boolean };

export class TrainingDisplay {
  readonly #terminal: Terminal;
  readonly #steps: number;
  readonly #firstStep: number;
  readonly #begun = performance.now();
  readonly #losses: number[] = [];
  #heldOut = '';
  #sample: SampleText | undefined;
  #drawnRows = 0;
  #lastLine = Number.NEGATIVE_INFINITY;

  constructor(terminal: Terminal, steps: number, firstStep: number) {
    this.#terminal = terminal;
    this.#steps = steps;
    this.#firstStep = firstStep;
  }

  show(report: TrainingReport, sample?: SampleText): void {
    this.#losses.push(report.loss);
    if (sample) this.#sample = sample;
    if (report.heldOutLoss !== undefined) this.#heldOut = `  held out ${report.heldOutLoss.toFixed(4)}`;
    if (this.#terminal.isTTY) this.#draw(report);
    else this.#sayNowAndThen(report, sample);
  }

  /** Leaves the last panel standing. */
  end(): void {
    if (this.#drawnRows > 0) this.#terminal.write('\n');
    this.#drawnRows = 0;
  }

  #draw(report: TrainingReport): void {
    const columns = (this.#terminal.columns || 80) - 1;
    const sample = this.#sample ? [sampleLine(this.#sample, columns)] : [];
    const rows = [...lossCurve(this.#losses, Math.min(columns, 100), CURVE_ROWS), ...sample, this.#line(report)];
    const up = this.#drawnRows > 1 ? `\x1b[${this.#drawnRows - 1}A` : '';
    this.#terminal.write(`\r${up}${rows.map((row) => `\x1b[2K${row.slice(0, columns)}`).join('\n')}`);
    this.#drawnRows = rows.length;
  }

  #sayNowAndThen(report: TrainingReport, sample: SampleText | undefined): void {
    const now = performance.now();
    const isLast = report.step === this.#steps;
    if (!isLast && report.heldOutLoss === undefined && now - this.#lastLine < LINE_SECONDS * 1000) return;
    this.#lastLine = now;
    this.#terminal.write(`${this.#line(report)}\n`);
    if (sample) this.#terminal.write(`  ${sampleLine(sample, SAMPLE_COLUMNS)}\n`);
  }

  #line({ step, loss, learningRate, tokensInAll }: TrainingReport): string {
    const seconds = (performance.now() - this.#begun) / 1000;
    const left = ((this.#steps - step) * seconds) / (step - this.#firstStep);
    const rate = Math.round(tokensInAll / seconds);
    return `step ${step} of ${this.#steps}  loss ${loss.toFixed(4)}${this.#heldOut}  rate ${learningRate.toExponential(1)}  ${rate} tokens/s  ${Math.ceil(left / 60)} min left`;
  }
}

/** The end of the prompt, and what the model wrote after it, in one line. */
function sampleLine({ prompt, text }: SampleText, columns: number): string {
  const flat = (words: string): string => words.replace(/\s+/g, ' ');
  const before = flat(prompt);
  const kept = before.length > PROMPT_COLUMNS ? `...${before.slice(3 - PROMPT_COLUMNS)}` : before;
  return `${kept} =>${flat(` ${text}`)}`.slice(0, columns);
}
