import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isCoachError } from '../core/errors.ts';
import { createPixelLlmAgent } from './pixel-llm.ts';

const COMMAND = join(import.meta.dirname, '../../../pixel-llm/bin/pixel-llm.js');

test('a fault of the runtime is not held against the model, and the next call loads it anew', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pixel-coach-pixel-llm-'));
  try {
    const path = join(folder, 'broken.gguf');
    execFileSync(process.execPath, [COMMAND, 'make-model', '--shape', 'toy', '--type', 'F32', path], {
      stdio: 'ignore',
    });
    // Weights at the file's end that are no numbers: the model loads, and what it computes is none.
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.fill(0xff, bytes.length - 4096));
    const config = { kind: 'pixel-llm', model: path, device: 'reference', temperature: 0, maxOutputTokens: 4 } as const;
    const agent = createPixelLlmAgent(
      'picture',
      config as Parameters<typeof createPixelLlmAgent>[1],
      { folder } as Parameters<typeof createPixelLlmAgent>[2],
    );
    for (let call = 0; call < 2; call++) {
      await assert.rejects(
        agent.generate({ system: 'You write.', prompt: 'Hello', maxOutputTokens: 4 }),
        (error) => isCoachError(error, 'agent-unavailable') && error.details.retryable === true,
      );
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
