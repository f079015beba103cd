import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parseConfig } from '../config/load-config.ts';
import { createAgents } from './create-agents.ts';
import type { Agent } from './types.ts';

const REQUEST = { system: 'SYSTEM', prompt: 'PROMPT', maxOutputTokens: 1000 };
let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pixel-coach-command-'));
});
after(() => rm(folder, { recursive: true }));

describe('A command as an agent', () => {
  test('reads the prompt from stdin and prints its answer', async () => {
    const answer = await command(['sh', '-c', 'echo "You said:"; cat']).generate(REQUEST);
    assert.equal(answer.text, 'You said:\nSYSTEM\n\nPROMPT\n');
  });

  test('or reads it from a file', async () => {
    const answer = await command(['sh', '-c', 'cat; cat "$0"', '{promptFile}']).generate(REQUEST);
    assert.equal(answer.text, 'SYSTEM\n\nPROMPT\n');
  });

  test('sees only the environment variables that it was given', async () => {
    const environment = { PATH: process.env.PATH, ALLOWED: 'yes', GEMINI_API_KEY: 'secret' };
    const answer = await command(['env'], { environment: ['ALLOWED'] }, environment).generate(REQUEST);
    assert.match(answer.text, /^ALLOWED=yes$/m);
    assert.ok(!answer.text.includes('secret'));
  });

  test('is a script beside the configuration when its path says so', async () => {
    const script = join(folder, 'agent.sh');
    await writeFile(script, '#!/bin/sh\necho from the script\n');
    await chmod(script, 0o755);
    assert.equal((await command(['./agent.sh']).generate(REQUEST)).text, 'from the script\n');
    assert.equal((await command(['./agent.sh']).availability()).usable, true);
  });

  test('that fails, is missing or takes too long is unavailable, with what it said', async () => {
    const code = 'agent-unavailable';
    await assert.rejects(command(['sh', '-c', 'echo quota used up >&2; exit 3']).generate(REQUEST), {
      code,
      message: /ended with 3 .*quota used up/,
    });
    await assert.rejects(command(['no-such-program']).generate(REQUEST), { code, message: /cannot be started/ });
    const begun = performance.now();
    await assert.rejects(command(['sh', '-c', 'sleep 100 & sleep 100'], { timeoutSeconds: 1 }).generate(REQUEST), {
      code,
      message: /did not end within 1 s/,
    });
    assert.ok(performance.now() - begun < 10_000);
  });

  test('that prints nothing has failed', async () => {
    await assert.rejects(command(['true']).generate(REQUEST), { code: 'agent-failed' });
  });

  test('can review, if it prints a review', async () => {
    const review =
      'Here you are:\n```json\n{"score": 7, "mustFix": ["a {brace} in \\"text\\""], "niceToHave": []}\n```';
    const agent = command(['printf', '%s', review]);
    const answer = await agent.review?.(REQUEST);
    assert.equal(answer?.review.score, 7);
  });

  test('says what it looked for when it is not there, and whether its check passes', async () => {
    assert.deepEqual(await command(['no-such-program', '-p']).availability(), {
      usable: false,
      reason: 'There is no program "no-such-program".',
      remedy: 'Install it, or correct "command".',
      tried: 'which no-such-program',
    });
    const failing = await command(['sh'], { check: ['sh', '-c', 'echo not logged in >&2; exit 1'] }).availability();
    assert.deepEqual([failing.usable, failing.reason], [false, 'Its check failed (1): not logged in']);
    assert.equal((await command(['sh'], { check: ['true'] }).availability()).usable, true);
  });
});

describe('A person as an agent', () => {
  test('answers below the line in the editor, or passes', async () => {
    const editor = (script: string): Agent => create({ kind: 'human', editor: ['sh', '-c', script, 'editor'] });
    const answer = await editor('grep -q PROMPT "$1" && echo "My answer." >> "$1"').generate(REQUEST);
    assert.deepEqual([answer.text, answer.usage.inputTokens], ['My answer.', 0]);
    await assert.rejects(editor('true').generate(REQUEST), { code: 'agent-failed', message: '"x" passed.' });
    await assert.rejects(editor('exit 1').generate(REQUEST), { code: 'agent-failed' });
  });

  test('reviews by filling in a form', async () => {
    const agent = create({ kind: 'human', editor: ['sed', '-i', 's/"score": 8/"score": 4/'] });
    assert.equal((await agent.review?.(REQUEST))?.review.score, 4);
  });

  test('needs a terminal', async () => {
    const found = await create({ kind: 'human', editor: ['vi'] }).availability();
    if (!process.stdin.isTTY) assert.deepEqual([found.usable, found.tried], [false, 'vi']);
  });
});

function command(words: string[], settings: object = {}, environment: NodeJS.ProcessEnv = process.env): Agent {
  return create({ kind: 'command', command: words, price: 'free', ...settings }, environment);
}

function create(settings: object, environment: NodeJS.ProcessEnv = process.env): Agent {
  const config = parseConfig(JSON.stringify({ agents: { x: settings } }), 'test');
  const agent = createAgents(config, { folder, environment }).get('x');
  assert.ok(agent);
  return agent;
}
