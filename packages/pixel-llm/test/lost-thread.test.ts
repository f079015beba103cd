/** A thread that dies within a step, however and whenever: a typed error, no hang, and a model that says what it is then. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { workerHandle } from '../src/backends/wasm/node.ts';
import { cpuPlatform, installCpuPlatform, type WorkerHandle } from '../src/backends/wasm/platform.ts';
import { webPlatform } from '../src/backends/wasm/web-threads.ts';
import { MemoryByteSink } from '../src/core/byte-sink.ts';
import { loadModel, type Model } from '../src/node.ts';
import { runCommand } from './command-line.ts';
import type { Death, DyingThread } from './dying-thread.ts';
import { tinyGguf, tinyWeights } from './tiny-model.ts';

const folder = mkdtempSync(join(tmpdir(), 'pixel-llm-lost-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const THREADS = 3;

/** Loads the tiny model on three threads, of which one will die. */
async function loadDoomed(thread: number, doom: DyingThread): Promise<{ model: Model; workers: Worker[] }> {
  const platform = cpuPlatform(webPlatform);
  const workers: Worker[] = [];
  const startWorker = (): WorkerHandle => {
    if (workers.length !== thread) {
      workers.push(new Worker(new URL('../src/backends/wasm/thread/node.ts', import.meta.url)));
    } else {
      const resourceLimits = { maxOldGenerationSizeMb: 24, maxYoungGenerationSizeMb: 8 };
      workers.push(new Worker(new URL('./dying-thread.ts', import.meta.url), { workerData: doom, resourceLimits }));
    }
    return workerHandle(workers.at(-1)!);
  };
  installCpuPlatform({ ...platform, startWorker });
  try {
    return { model: await loadModel(tinyWeights(), { device: 'cpu', threads: THREADS }), workers };
  } finally {
    installCpuPlatform(platform);
  }
}

/** Generates until the thread is dead, and checks what is left. */
async function outlive(thread: number, doom: DyingThread): Promise<void> {
  const { model, workers } = await loadDoomed(thread, doom);
  const ends = workers.map((worker) => new Promise<void>((resolve) => void worker.once('exit', () => resolve())));
  assert.equal(model.status, 'ready');
  const session = model.createSession();
  const options = { maxTokens: 100, temperature: 0, ignoreEndOfText: true };
  const lost = { code: 'device-lost', message: /Load the model again|unreachable/ };
  await assert.rejects(session.generate('the cat sat on the mat', options).complete(), lost);
  assert.equal(model.status, 'lost');
  assert.equal(model.failure?.code, 'device-lost');
  // At once from now on, and the text is not lost.
  await assert.rejects(session.generate('the', options).complete(), lost);
  assert.throws(() => model.createSession(), lost);
  await assert.rejects(model.score('the cat'), lost);
  await session.save(new MemoryByteSink());
  // All threads have ended, so their memory is free, before anybody disposes of the model.
  await Promise.all(ends);
  await model.dispose();
  assert.equal(model.status, 'disposed');
}

describe('a thread that dies within a step', () => {
  // A step of the tiny model passes 12 barriers with the end of it: these fall in each of them, in prompts and in single tokens.
  for (let afterCalls = 0; afterCalls < 40; afterCalls += process.env.PIXEL_FULL === '1' ? 1 : 5) {
    test(`after ${afterCalls} meetings gives device-lost`, async () => {
      await outlive(afterCalls % THREADS, { death: afterCalls % 2 === 0 ? 'exit' : 'trap', after: afterCalls });
    });
  }

  for (const death of ['exit', 'trap', 'memory'] satisfies Death[]) {
    test(`by ${death} gives device-lost`, async () => {
      for (let thread = 0; thread < THREADS; thread++) await outlive(thread, { death, after: 7 });
    });
  }
});

const threadsOf = (pid: number): number[] => readdirSync(`/proc/${pid}/task`).map(Number);

test('kill -9 of one of its threads, from outside, ends the command at once and leaves nothing running', {
  skip: process.platform !== 'linux' && 'needs /proc',
}, async () => {
  const path = join(folder, 'tiny.gguf');
  writeFileSync(path, tinyGguf());
  let killed = 0;
  const begun = performance.now();
  const { code } = await runCommand(
    ['run', path, 'the', '--device', 'cpu', '--threads', '2', '--max-tokens', '150', '--ignore-eos', '--json'],
    {
      covered: false,
      onOutput(child, stdout) {
        if (killed > 0 || child.pid === undefined || stdout.split('\n').length < 3) return;
        killed =
          threadsOf(child.pid).findLast(
            (thread) => readFileSync(`/proc/${child.pid}/task/${thread}/comm`, 'utf8') !== '',
          ) ?? 0;
        process.kill(killed, 'SIGKILL');
      },
    },
  );
  assert.ok(killed > 0);
  assert.equal(code, null);
  assert.ok(performance.now() - begun < 20_000);
});
