import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Script } from '../../test/scripted-server/script.ts';
import { always, firstStatus, goodReview } from '../../test/scripted-server/scripts.ts';
import { type ScriptedServer, startScriptedServer } from '../../test/scripted-server/server.ts';
import { parseConfig } from '../config/load-config.ts';
import { isCoachError } from '../core/errors.ts';
import { createAgents } from './create-agents.ts';
import type { Agent, AgentRequest } from './types.ts';

const REQUEST: AgentRequest = { system: 'You write code.', prompt: 'Write add.', maxOutputTokens: 1000 };
const KEY = 'key-of-the-test';

describe('An agent over an OpenAI-compatible server', () => {
  test('streams an answer, and reports what the server counted', async () => {
    const usage = { inputTokens: 100, cachedInputTokens: 40, outputTokens: 30, reasoningTokens: 20 };
    await using server = await startScriptedServer({ m: () => ({ kind: 'text', text: 'The whole answer.', usage }) });
    const pieces: string[] = [];
    const answer = await agentAt(server).generate({ ...REQUEST, onText: (text) => pieces.push(text) });
    assert.deepEqual(answer, {
      text: 'The whole answer.',
      model: 'm',
      finishReason: 'stop',
      usage: { inputTokens: 100, cachedTokens: 40, outputTokens: 30, reasoningTokens: 20 },
    });
    assert.ok(pieces.length > 1);
    assert.equal(pieces.join(''), answer.text);
    const [call] = server.calls;
    assert.deepEqual(call?.request.messages, [
      { role: 'system', content: 'You write code.' },
      { role: 'user', content: 'Write add.' },
    ]);
    assert.equal(call?.request.body.max_tokens, 1000);
    assert.ok(!('temperature' in (call?.request.body ?? {})));
  });

  test('waits as long as a rate limit asks, and uses nothing up', async () => {
    const script = firstStatus(2, 429, always('Done.'), { 'retry-after-ms': '30' });
    await using server = await startScriptedServer({ m: script });
    const waits: number[] = [];
    const agent = agentAt(server, { onRetry: (_error, wait) => waits.push(wait) });
    assert.equal((await agent.generate(REQUEST)).text, 'Done.');
    assert.equal(server.calls.length, 3);
    assert.equal(waits.length, 2);
    for (const wait of waits) assert.ok(wait >= 30, `waited ${wait} ms`);
  });

  test('hands a long Retry-After on instead of sleeping through it', async () => {
    await using server = await startScriptedServer({ m: firstStatus(99, 429, always(''), { 'retry-after': '3600' }) });
    const error = await failureOf(agentAt(server).generate(REQUEST));
    assert.equal(error.code, 'agent-unavailable');
    assert.equal(error.details.retryAfterMilliseconds, 3_600_000);
    assert.equal(server.calls.length, 1);
  });

  test('gives up on an overloaded server after the configured number of calls', async () => {
    await using server = await startScriptedServer({ m: firstStatus(99, 503, always('')) });
    const error = await failureOf(agentAt(server).generate(REQUEST));
    assert.match(error.message, /Agent "writer" \(m\) answered with status 503/);
    assert.equal(server.calls.length, 3);
  });

  for (const [what, script] of [
    ['a stream that is cut', (() => ({ kind: 'cut', text: 'Half of it is missing from here on.' })) satisfies Script],
    ['an answer that is no JSON', (() => ({ kind: 'raw', body: 'data: {"choices": [\n\n' })) satisfies Script],
    ['a web page', (() => ({ kind: 'raw', body: '<html>Welcome</html>' })) satisfies Script],
  ] as const) {
    test(`${what} is the server's failure, not the model's`, async () => {
      await using server = await startScriptedServer({ m: script });
      const error = await failureOf(agentAt(server).generate(REQUEST));
      assert.equal(error.code, 'agent-unavailable');
      assert.equal(server.calls.length, 3);
    });
  }

  test('cuts off a model that does not stop', async () => {
    await using server = await startScriptedServer({
      m: () => ({ kind: 'endless', text: 'x'.repeat(10_000), repeat: 1_000_000 }),
    });
    const error = await failureOf(agentAt(server).generate(REQUEST));
    assert.equal(error.code, 'agent-failed');
    assert.match(error.message, /more than 32000 characters/);
    assert.ok(error.details.usage, 'what was used up is told');
  });

  test("an answer of nothing is the model's failure", async () => {
    await using server = await startScriptedServer({ m: always('  \n') });
    const error = await failureOf(agentAt(server).generate(REQUEST));
    assert.equal(error.code, 'agent-failed');
    assert.deepEqual(error.details.usage, { inputTokens: 7, outputTokens: 1, cachedTokens: 0, reasoningTokens: 0 });
  });

  test('stops at its time limit, and when its signal fires', async () => {
    await using server = await startScriptedServer({ m: () => ({ kind: 'text', text: 'late', delayMs: 60_000 }) });
    const error = await failureOf(agentAt(server, { timeoutSeconds: 1 }).generate(REQUEST));
    assert.match(error.message, /did not answer within 1 s/);
    const stop = new AbortController();
    const running = agentAt(server).generate({ ...REQUEST, signal: stop.signal });
    setTimeout(() => stop.abort(), 50);
    assert.equal((await failureOf(running)).code, 'aborted');
  });

  test('reviews by a schema, and where the answer is no review, says so with what it cost', async () => {
    await using server = await startScriptedServer({ m: goodReview, chatty: always('I like it. Score: 9/10.') });
    const { review } = await reviewOf(agentAt(server));
    assert.deepEqual(review, {
      score: 9,
      mustFix: [],
      niceToHave: ['A shorter name.'],
      summary: 'Does what it should.',
    });
    const format = server.calls[0]?.request.body.response_format as { type: string };
    assert.equal(format.type, 'json_schema');
    const error = await failureOf(reviewOf(agentAt(server, { model: 'chatty' })));
    assert.equal(error.code, 'agent-failed');
    assert.ok(error.details.usage);
  });

  test('never repeats a key in a message', async () => {
    const script: Script = () => ({ kind: 'status', status: 400, message: `The key ${KEY} may not be used here.` });
    await using server = await startScriptedServer({ m: script }, { apiKey: KEY });
    const error = await failureOf(agentAt(server, { apiKey: true }).generate(REQUEST));
    assert.match(error.message, /The key \*\*\* may not/);
    const wrong = await failureOf(agentAt(server).generate(REQUEST));
    assert.match(wrong.message, /refuses the key \(401/);
  });
});

describe('Context windows', () => {
  test("Ollama's is asked for, and a prompt that does not fit is not sent", async () => {
    await using server = await startScriptedServer({ m: always('ok') }, { ollamaContextTokens: 4096 });
    const agent = agentAt(server);
    const error = await failureOf(agent.generate({ ...REQUEST, prompt: 'some words '.repeat(2000) }));
    assert.match(error.message, /context window of 4096 tokens.*OLLAMA_CONTEXT_LENGTH=32768 ollama serve/);
    assert.equal(error.details.contextExceeded, true);
    assert.equal(server.calls.length, 0);
    assert.equal(agent.contextTokens, 4096);
    assert.equal((await agent.generate(REQUEST)).text, 'ok');
  });

  test('an answer is asked for only as long as the window leaves room', async () => {
    await using server = await startScriptedServer({ m: always('ok') }, { llamaCppContextTokens: 2000 });
    await agentAt(server).generate({ ...REQUEST, maxOutputTokens: 8192 });
    const asked = Number(server.calls[0]?.request.body.max_tokens);
    assert.ok(asked > 1800 && asked < 2000, `asked for ${asked}`);
  });

  test('a server that cuts prompts without a word is found out by its own count', async () => {
    const usage = { inputTokens: 512, outputTokens: 2 };
    await using server = await startScriptedServer({ m: () => ({ kind: 'text', text: 'What task?', usage }) });
    const error = await failureOf(agentAt(server).generate({ ...REQUEST, prompt: 'some words '.repeat(2000) }));
    assert.match(error.message, /read only 512 tokens of a prompt of 22015 bytes/);
    assert.ok(error.details.usage);
  });
});

describe('Gemini', () => {
  test('is called by its own protocol, without sampling settings, and thinking is counted as output', async () => {
    const usage = { inputTokens: 1000, cachedInputTokens: 600, outputTokens: 500, reasoningTokens: 450 };
    await using server = await startScriptedServer(
      { 'gemini-3.8-flash': () => ({ kind: 'text', text: 'Hello.', usage }) },
      { apiKey: KEY },
    );
    const agent = geminiAt(server, { TEST_KEY: KEY });
    const answer = await agent.generate(REQUEST);
    assert.equal(answer.text, 'Hello.');
    assert.deepEqual(answer.usage, { inputTokens: 1000, cachedTokens: 600, outputTokens: 500, reasoningTokens: 450 });
    const settings = server.calls[0]?.request.body.generationConfig as Record<string, unknown>;
    assert.deepEqual([settings.temperature, settings.topP, settings.topK], [undefined, undefined, undefined]);
    assert.equal(settings.maxOutputTokens, 1000);
    assert.equal(agent.paid, true);
  });

  test('is available with a key, and without one says which variable to set', async () => {
    await using server = await startScriptedServer({ 'gemini-3.8-flash': always('x') }, { apiKey: KEY });
    const tried = `GET ${server.origin}/v1beta/models/gemini-3.8-flash`;
    assert.deepEqual(await geminiAt(server, { TEST_KEY: KEY }).availability(), {
      usable: true,
      reason: 'gemini-3.8-flash answers',
      remedy: '',
      tried,
    });
    const without = await geminiAt(server, {}).availability();
    assert.deepEqual([without.usable, without.reason], [false, 'The environment variable TEST_KEY is not set.']);
    const wrong = await geminiAt(server, { TEST_KEY: 'wrong' }).availability();
    assert.match(wrong.reason, /refuses the key/);
    assert.ok(!JSON.stringify([without, wrong]).includes(KEY));
  });
});

describe('Availability of a server', () => {
  test('names a missing model, with what there is', async () => {
    await using server = await startScriptedServer({ a: always(''), b: always('') }, { ollamaContextTokens: 4096 });
    const found = await agentAt(server, { model: 'qwen' }).availability();
    assert.deepEqual(found, {
      usable: false,
      reason: 'The server has no model "qwen", but: a, b.',
      remedy: 'ollama pull qwen',
      tried: `GET ${server.baseUrl}/models`,
    });
  });

  test('names a server that is not there', async () => {
    const server = await startScriptedServer({});
    await server.close();
    const found = await agentAt(server).availability();
    assert.match(found.reason, /^Nothing listens there \(connect ECONNREFUSED/);
    assert.equal(found.tried, `GET ${server.baseUrl}/models`);
  });
});

interface AgentSettings {
  readonly model?: string;
  readonly timeoutSeconds?: number;
  readonly apiKey?: boolean;
  readonly onRetry?: (error: Error, wait: number) => void;
}

function agentAt(server: ScriptedServer, settings: AgentSettings = {}): Agent {
  const { model = 'm', timeoutSeconds = 20, apiKey, onRetry } = settings;
  const writer = {
    kind: 'openai-compatible',
    baseUrl: server.baseUrl,
    model,
    timeoutSeconds,
    ...(apiKey && { apiKey: { env: 'TEST_KEY' } }),
  };
  return create(writer, { TEST_KEY: KEY }, onRetry);
}

function geminiAt(server: ScriptedServer, environment: NodeJS.ProcessEnv): Agent {
  return create({ kind: 'gemini', baseUrl: `${server.origin}/v1beta`, apiKey: { env: 'TEST_KEY' } }, environment);
}

function create(writer: object, environment: NodeJS.ProcessEnv, onRetry?: AgentSettings['onRetry']): Agent {
  const config = parseConfig(
    JSON.stringify({ agents: { writer }, retries: { attempts: 3, baseSeconds: 0.01, maxSeconds: 1 } }),
    'test',
  );
  const agent = createAgents(config, { folder: '/', environment, onRetry }).get('writer');
  assert.ok(agent);
  return agent;
}

function reviewOf(agent: Agent): ReturnType<NonNullable<Agent['review']>> {
  assert.ok(agent.review);
  return agent.review(REQUEST);
}

async function failureOf(
  work: Promise<unknown>,
): Promise<{ code: string; message: string; details: Record<string, unknown> }> {
  try {
    await work;
  } catch (error) {
    assert.ok(isCoachError(error), String(error));
    return { code: error.code, message: error.message, details: { ...error.details } };
  }
  throw new Error('It did not fail.');
}
