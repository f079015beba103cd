/** docs/coach-tutorial.md, followed literally: every shell block is run as it stands, every text block must come out. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { configJsonSchema, parseConfig } from '../src/config/load-config.ts';
import { COMMAND, sandboxIsHere } from './coach-project.ts';

const run = promisify(execFile);
const page = readFileSync(new URL('../../../docs/coach-tutorial.md', import.meta.url), 'utf8');

test('The tutorial does what it says', {
  skip: (await sandboxIsHere()) ? false : 'NOT RUN: there is no sandbox here',
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pixel-coach-tutorial-'));
  try {
    // `npx pixel-coach` is this repository's.
    const npx = `npx() { shift; "${process.execPath}" "${COMMAND}" "$@"; }`;
    const script = [npx, 'set -e', ...blocks('sh')].join('\n');
    const { stdout, stderr } = await run('bash', ['-c', script], {
      cwd: folder,
      // Without the mark of this test run: node would leave the tutorial's own test out.
      env: {
        ...process.env,
        NODE_TEST_CONTEXT: undefined,
        PATH: `${join(process.execPath, '..')}:${process.env.PATH}`,
      },
      timeout: 90_000,
    });
    for (const line of blocks('text').flatMap((block) => block.trim().split('\n'))) {
      assert.ok(stdout.includes(line), `"${line}" does not come out of it:\n${stdout}\n${stderr}`);
    }
    assert.match(stdout, /(#|ℹ) pass 2/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("The tutorial's configurations are valid", () => {
  for (const text of blocks('json')) parseConfig(text, 'tutorial');
  assert.ok(configJsonSchema());
});

function blocks(language: string): string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, text = '']) => text);
}
