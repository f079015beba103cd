/** A one-line progress bar with rate and time left, for work of more than a second. Silent when stderr is not a terminal. */
import type { WriteStream } from 'node:tty';
import type { OnProgress, Progress } from '../core/progress.ts';

const REDRAW_MS = 100;
const BAR_CELLS = 24;
/** For terminals that do not say how wide they are. */
const USUAL_COLUMNS = 80;

/** What is needed of process.stderr. */
type ProgressTerminal = Pick<WriteStream, 'isTTY' | 'columns'> & { write(text: string): boolean };

export interface ProgressBar {
  readonly onProgress: OnProgress;
  clear(): void;
}

export function createProgressBar(stream: ProgressTerminal): ProgressBar {
  if (!stream.isTTY) return { onProgress: () => {}, clear: () => {} };
  const begun = performance.now();
  let phaseBegun = begun;
  let phase = '';
  /** What was done when the phase began: a download goes on where it was. */
  let before = 0;
  let drawnAt = Number.NEGATIVE_INFINITY;
  let drawn = false;
  return {
    onProgress(progress) {
      const now = performance.now();
      // A new phase is shown at once: it may be the last thing heard for a while.
      const isNew = progress.phase !== phase;
      if (isNew) {
        phase = progress.phase;
        phaseBegun = now;
        before = progress.done;
      }
      if (now - begun < 300 || (!isNew && now - drawnAt < REDRAW_MS)) return;
      drawnAt = now;
      drawn = true;
      stream.write(
        `\r\x1b[2K${formatProgress(progress, (now - phaseBegun) / 1000, before).slice(0, (stream.columns || USUAL_COLUMNS) - 1)}`,
      );
    },
    clear() {
      if (drawn) stream.write('\r\x1b[2K');
    },
  };
}

/** "converting  [######------------------]  25 %  1.2 of 4.8 GB  0.41 GB/s  9 s left" */
export function formatProgress({ phase, done, total, unit }: Progress, seconds: number, before = 0): string {
  const rate = seconds > 0 ? (done - before) / seconds : 0;
  const amount = total === undefined ? quantity(done, unit) : `${quantity(done, unit)} of ${quantity(total, unit)}`;
  const speed = rate > 0 ? `  ${quantity(rate, unit)}/s` : '';
  if (total === undefined || total === 0) return `${phase}  ${amount}${speed}`;
  const share = Math.min(1, done / total);
  const bar = '#'.repeat(Math.round(share * BAR_CELLS)).padEnd(BAR_CELLS, '-');
  const left = rate > 0 ? `  ${duration((total - done) / rate)} left` : '';
  return `${phase}  [${bar}] ${String(Math.floor(share * 100)).padStart(3)} %  ${amount}${speed}${left}`;
}

function quantity(count: number, unit: Progress['unit']): string {
  return unit === 'bytes'
    ? formatBytes(count)
    : `${count >= 100 ? Math.round(count) : count.toFixed(1).replace('.0', '')} ${unit}`;
}

/** Three significant digits, never in exponents: 4.80, 25.2, 264, 1034. */
export function threeDigits(value: number): string {
  return value < 999.5 ? value.toPrecision(3) : String(Math.round(value));
}

/** Decimal units, three significant digits: "4.68 GB". */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let index = 0;
  while (value >= 1000 && index < units.length - 1) {
    value /= 1000;
    index++;
  }
  return `${index === 0 ? Math.round(value) : threeDigits(value)} ${units[index]}`;
}

function duration(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
