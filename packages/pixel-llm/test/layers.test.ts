import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';

const root = join(import.meta.dirname, '../../..');

/** Runs the project's layer rules over a made-up tree and returns the names of the rules it breaks. */
function brokenRules(files: Readonly<Record<string, string>>): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'pixel-llm-layers-'));
  try {
    writeFileSync(join(folder, 'tsconfig.json'), '{}');
    for (const [path, text] of Object.entries(files)) {
      const file = join(folder, 'packages', path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
    const command = join(root, 'node_modules/.bin/depcruise');
    const config = join(root, 'scripts/layers.config.mjs');
    const result = spawnSync(command, ['--config', config, '--output-type', 'json', 'packages'], {
      cwd: folder,
      encoding: 'utf8',
    });
    const { summary }: { summary: { violations: { rule: { name: string } }[]; totalCruised: number } } = JSON.parse(
      result.stdout,
    );
    assert.ok(summary.totalCruised >= Object.keys(files).length, 'the rules saw the files');
    return [...new Set(summary.violations.map((violation) => violation.rule.name))].sort();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe('The layer rules', () => {
  test('let a layer import from itself and from those before it', () => {
    const files = {
      'pixel-llm/src/core/a.ts': 'export const a = 1;',
      'pixel-llm/src/pxi/b.ts': "import { a } from '../core/a.ts'; export const b = a;",
      'pixel-llm/src/pxi/c.ts': "import { b } from './b.ts'; export const c = b;",
    };
    assert.deepEqual(brokenRules(files), []);
  });

  test('forbid an import down the list, of types too', () => {
    const files = {
      'pixel-llm/src/pxi/b.ts': 'export type B = 1;',
      'pixel-llm/src/core/a.ts': "import type { B } from '../pxi/b.ts'; export type A = B;",
    };
    assert.deepEqual(brokenRules(files), ['layer-core']);
  });

  test('forbid cycles', () => {
    const files = {
      'pixel-llm/src/core/a.ts': "import { b } from './b.ts'; export const a = b;",
      'pixel-llm/src/core/b.ts': "import { a } from './a.ts'; export const b = a;",
    };
    assert.deepEqual(brokenRules(files), ['no-cycles']);
  });

  test('forbid Node modules outside node.ts, cli/ and server/', () => {
    const text = "import { readFileSync } from 'node:fs'; export const read = readFileSync;";
    assert.deepEqual(brokenRules({ 'pixel-llm/src/png/a.ts': text }), ['node-only-in-node-files']);
    assert.deepEqual(brokenRules({ 'pixel-llm/src/png/node.ts': text, 'pixel-llm/src/cli/run.ts': text }), []);
  });

  test('let other packages in only through the public entry', () => {
    const files = {
      'pixel-llm/src/core/a.ts': 'export const a = 1;',
      'pixel-coach/src/b.ts': "import { a } from '../../pixel-llm/src/core/a.ts'; export const b = a;",
    };
    assert.deepEqual(brokenRules(files), ['public-entry-only']);
  });
});
