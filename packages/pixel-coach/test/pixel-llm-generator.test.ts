/** Pixel-LLM itself as the writer: a tiny random model that cannot code. Every task ends with a person, nothing breaks, nothing costs. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { RunSummary } from '../src/loop/options.ts';
import type { StatisticsRow } from '../src/report/statistics.ts';
import { createProject, sandboxIsHere } from './coach-project.ts';

const PIXEL_LLM = fileURLToPath(new URL('../../pixel-llm/bin/pixel-llm.js', import.meta.url));
const ANSWER_TOKENS = 48;

test('A picture that cannot code writes for every task, and each ends with a person at no cost', {
  skip: (await sandboxIsHere()) ? false : 'NOT RUN: there is no sandbox here',
}, async () => {
  using project = createProject({
    config: {
      mode: 'generate',
      agents: {
        pixels: {
          kind: 'pixel-llm',
          model: 'toy.pxi.png',
          device: 'cpu',
          contextTokens: 8192,
          maxOutputTokens: ANSWER_TOKENS,
        },
      },
      generators: ['pixels'],
      maxAttempts: 2,
    },
    roadmap: {
      version: 1,
      phases: [
        {
          id: '0_first',
          tasks: ['one', 'two', 'three'].map((id) => ({
            id,
            title: `Write ${id}`,
            action: 'write_file',
            paths: [`src/${id}.js`],
            test_command: 'node --test test/all.test.js',
          })),
        },
      ],
    },
    files: { 'test/all.test.js': "import { test } from 'node:test';\ntest('it', () => { throw new Error('no'); });\n" },
  });
  makeToy(project.folder);
  await project.json(0, 'init');
  assert.match((await project.run('agents')).stdout, /pixels +yes +writes +pixel-llm/);
  const { summary, total } = (await project.json(6, 'coach')) as { summary: RunSummary; total: StatisticsRow };
  assert.deepEqual([summary.done, summary.needsHuman, summary.cost, summary.ending], [0, 3, 0, 'no-more-tasks']);
  assert.deepEqual([total.attempts, total.accepted, total.calls], [6, 0, 6]);
  assert.ok(total.outputTokens > 0 && total.outputTokens <= 6 * ANSWER_TOKENS);
  assert.equal(project.git('rev-list', '--count', '--all').trim(), '1');
});

/** A toy with room for a prompt: its context, 512 tokens as made, is a number in its head. */
function makeToy(folder: string): void {
  const gguf = join(folder, 'toy.gguf');
  execFileSync(process.execPath, [PIXEL_LLM, 'make-model', '--shape', 'toy', gguf], { stdio: 'pipe' });
  const bytes = readFileSync(gguf);
  const key = 'llama.context_length';
  const at = bytes.indexOf(key) + key.length;
  assert.deepEqual([bytes.readUInt32LE(at), bytes.readUInt32LE(at + 4)], [4, 512]);
  bytes.writeUInt32LE(8192, at + 4);
  writeFileSync(gguf, bytes);
  execFileSync(process.execPath, [PIXEL_LLM, 'convert', gguf, join(folder, 'toy.pxi.png')], { stdio: 'pipe' });
}
