/**
 * What models are writing at this moment, for those who watch from another process: one small file a task in `.pixel-coach/live`,
 * rewritten as the text grows.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LoopEvent } from '../loop/options.ts';

/** The end of the text is what is shown. */
const SHOWN_CHARACTERS = 8000;
const WRITE_MILLISECONDS = 150;

interface Writing {
  text: string;
  writtenAt: number;
}

export class LiveText implements Disposable {
  readonly #folder: string;
  readonly #writings = new Map<string, Writing>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  follow(event: LoopEvent): void {
    if (event.type === 'attempt') this.#forget(event.taskId);
    if (event.type === 'text') this.#append(event.taskId, event.text);
    if (event.type === 'stage') this.#write(event.taskId);
    if (event.type === 'accepted' || event.type === 'needs-human' || event.type === 'released')
      this.#forget(event.taskId);
  }

  [Symbol.dispose](): void {
    for (const taskId of [...this.#writings.keys()]) this.#forget(taskId);
  }

  #append(taskId: string, piece: string): void {
    const writing = this.#writings.get(taskId) ?? { text: '', writtenAt: 0 };
    this.#writings.set(taskId, writing);
    writing.text = (writing.text + piece).slice(-SHOWN_CHARACTERS);
    if (Date.now() - writing.writtenAt >= WRITE_MILLISECONDS) this.#write(taskId);
  }

  #write(taskId: string): void {
    const writing = this.#writings.get(taskId);
    if (!writing) return;
    writing.writtenAt = Date.now();
    try {
      mkdirSync(this.#folder, { recursive: true });
      writeFileSync(pathOf(this.#folder, taskId), writing.text);
    } catch {
      // Watching is a convenience: work goes on when the disk is full.
    }
  }

  #forget(taskId: string): void {
    this.#writings.delete(taskId);
    rmSync(pathOf(this.#folder, taskId), { force: true });
  }
}

/** What was written so far for a task; empty when nothing is. */
export function readLiveText(folder: string, taskId: string): string {
  try {
    return readFileSync(pathOf(folder, taskId), 'utf8');
  } catch {
    return '';
  }
}

function pathOf(folder: string, taskId: string): string {
  return join(folder, `${taskId}.txt`);
}
