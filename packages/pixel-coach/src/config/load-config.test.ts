import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { isCoachError } from '../core/errors.ts';
import type { CoachConfig } from './config.ts';
import { ENVIRONMENT_OVERRIDES } from './environment.ts';
import { CONFIG_FILE, configJsonSchema, loadConfig, parseConfig } from './load-config.ts';

const local = { kind: 'openai-compatible', baseUrl: 'http://127.0.0.1:11434/v1', model: 'qwen2.5-coder:7b' };
const small = { agents: { local }, generators: ['local'] };

describe('A configuration', () => {
  test('needs little, and has a default for everything else', () => {
    const config = parse(small);
    assert.equal(config.mode, 'generate+review');
    assert.deepEqual(config.budget, { perCall: 0.25, perTask: 0.5, perRun: 2, perDay: 5 });
    assert.deepEqual([config.threshold, config.maxAttempts, config.sandbox.gpu], [8, 3, false]);
  });

  for (const [what, value, message] of [
    [
      'a value that is not among the allowed',
      { ...small, mode: 'auto' },
      'mode: must be one of "generate+review", "generate", "review", "human"',
    ],
    ['a number out of bounds', { ...small, threshold: 11 }, 'threshold: expected number to be <=10'],
    [
      'a misspelt option',
      { ...small, treshold: 9 },
      'there is no option "treshold" (did you mean "threshold"? There are: ',
    ],
    [
      'a misspelt option of an agent',
      { agents: { local: { ...local, temprature: 1 } } },
      'agents.local: there is no option "temprature" (did you mean "temperature"? There are: ',
    ],
    [
      'an unknown kind of agent',
      { agents: { x: { kind: 'magic' } } },
      'agents.x.kind: must be one of "gemini", "openai-compatible", "pixel-llm", "command", "human"',
    ],
    [
      'a missing value',
      { agents: { x: { kind: 'openai-compatible', model: 'm' } } },
      'agents.x.baseUrl: expected string, received undefined',
    ],
    [
      'a role for nobody',
      { ...small, reviewers: ['gemini'] },
      'reviewers.0: there is no agent "gemini" (known: local)',
    ],
    ['a secret in the file', { agents: { x: { kind: 'gemini', apiKey: 'AIza...' } } }, 'agents.x.apiKey: '],
    [
      'a price of the wrong form',
      { agents: { x: { ...local, price: { input: 1 } } } },
      'agents.x.price.output: expected number, received undefined',
    ],
  ] as const) {
    test(`says the path and what is allowed of ${what}`, () => {
      assert.throws(
        () => parse(value),
        (error) => {
          assert.ok(isCoachError(error, 'bad-config'));
          assert.ok(error.message.includes(message), error.message);
          return true;
        },
      );
    });
  }

  test('that is no JSON is told with the place', () => {
    assert.throws(
      () => parseConfig('{"agents": }', 'x.json'),
      /x\.json is no JSON: .*position|x\.json is no JSON: .*token/,
    );
  });

  test('gives way to environment variables, which are checked alike', () => {
    const environment = {
      PIXEL_COACH_BUDGET_PER_RUN: '0.5',
      PIXEL_COACH_REVIEWERS: 'local',
      PIXEL_COACH_MODE: 'generate',
    };
    const config = parse(small, environment);
    assert.deepEqual(
      [config.budget.perRun, config.budget.perDay, config.reviewers, config.mode],
      [0.5, 5, ['local'], 'generate'],
    );
    assert.throws(() => parse(small, { PIXEL_COACH_THRESHOLD: '99' }), /threshold: expected number to be <=10/);
    assert.throws(
      () => parse(small, { PIXEL_COACH_WORKERS: 'many' }),
      /PIXEL_COACH_WORKERS must be a number, not "many"/,
    );
  });

  test('every environment variable names an option that exists', () => {
    const schema = configJsonSchema() as { properties: Record<string, { properties?: Record<string, unknown> }> };
    for (const [path] of Object.values(ENVIRONMENT_OVERRIDES)) {
      const [first = '', second] = path.split('.');
      const node = schema.properties[first];
      assert.ok(second === undefined ? node : node?.properties?.[second], path);
    }
  });
});

describe('Published with the package', () => {
  test('the schema is the one the program checks with', async () => {
    const published = JSON.parse(
      await readFile(new URL('../../pixel-coach.config.schema.json', import.meta.url), 'utf8'),
    );
    assert.deepEqual(published, JSON.parse(JSON.stringify(configJsonSchema())));
  });

  test('the example is valid and shows every option', async () => {
    const text = await readFile(new URL('../../examples/pixel-coach.config.json', import.meta.url), 'utf8');
    parseConfig(text, 'example');
    const shown = JSON.stringify(JSON.parse(text));
    for (const name of optionNames(configJsonSchema()))
      assert.ok(shown.includes(`"${name}":`), `it does not show ${name}`);
  });
});

describe('Finding the configuration', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pixel-coach-config-'));
    await mkdir(join(folder, 'a', 'b'), { recursive: true });
    await writeFile(join(folder, CONFIG_FILE), JSON.stringify(small));
  });
  after(() => rm(folder, { recursive: true }));

  test('looks upwards', async () => {
    const found = await loadConfig(join(folder, 'a', 'b'), { environment: {} });
    assert.deepEqual([found.path, found.folder], [join(folder, CONFIG_FILE), folder]);
  });

  test('says how to make one where there is none', async () => {
    await assert.rejects(
      loadConfig('/proc', { environment: {} }),
      (error) => isCoachError(error, 'no-config') && /pixel-coach init/.test(error.message),
    );
    await assert.rejects(loadConfig(folder, { path: 'other.json' }), (error) => isCoachError(error, 'no-config'));
  });
});

function parse(value: unknown, environment: NodeJS.ProcessEnv = {}): CoachConfig {
  return parseConfig(JSON.stringify(value), 'test.json', environment);
}

/** Every name under "properties", at any depth. */
function optionNames(schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  const properties = (schema as { properties?: Record<string, unknown> }).properties ?? {};
  return [...Object.keys(properties), ...Object.values(schema).flatMap(optionNames)];
}
