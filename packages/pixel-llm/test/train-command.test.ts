/** `pixel-llm corpus` and `pixel-llm train` as a person uses them: data, a model, and a training that is killed again and again. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openWeightsFile } from '../src/pxi/node.ts';
import { readCheckpoint } from '../src/train/checkpoint.ts';
import { runCommand } from './command-line.ts';

const STEPS = 60;
const RECIPE = {
  model: {
    shape: { name: 'killed', dim: 16, layers: 1, heads: 2, kvHeads: 1, hidden: 32, contextLength: 256 },
    tokenizer: { vocabulary: 300 },
  },
  data: ['stories.jsonl'],
  steps: STEPS,
  stepTokens: 2000,
  batchTokens: 512,
  measureEvery: 20,
};
/** A checkpoint every few steps. */
const ALWAYS = ['--checkpoint-minutes', '0.001', '--threads', '1', '--json', '--log', 'losses.jsonl'];

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pixel-llm-train-'));
  const made = await runCommand(['corpus', 'stories', '--count', '300', '--out', 'stories.jsonl'], { cwd: folder });
  assert.equal(made.code, 0, made.stderr);
  await writeFile(join(folder, 'recipe.json'), JSON.stringify(RECIPE));
});
after(() => rm(folder, { recursive: true }));

function train(out: string, onStep: (step: number, kill: () => void) => void) {
  return runCommand(['train', 'recipe.json', '--out', out, ...ALWAYS], {
    cwd: folder,
    covered: false,
    onOutput: (child, stdout) => {
      const lines = stdout.split('\n');
      onStep(JSON.parse(lines.at(-2)!).step, () => child.kill('SIGKILL'));
    },
  });
}

const stepsOf = (stdout: string): number[] =>
  stdout
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line).step);

async function checkpointStep(): Promise<number> {
  const source = await openWeightsFile(join(folder, 'killed.checkpoint.pxi.png'));
  try {
    return (await readCheckpoint(source)).state.step;
  } finally {
    await source.dispose();
  }
}

test('a training that is killed at any moment goes on from its last checkpoint to the same bytes', async () => {
  const whole = await train('whole.pxi.png', () => undefined);
  assert.equal(whole.code, 0, whole.stderr);
  assert.deepEqual(
    stepsOf(whole.stdout),
    Array.from({ length: STEPS }, (_, i) => i + 1),
  );

  let seen = 0;
  let kills = 0;
  let kept = 0;
  for (let finished = false; !finished; ) {
    let killed = false;
    const killAt = seen + 7;
    const outcome = await train('killed.pxi.png', (step, kill) => {
      if (step < killAt || killed) return;
      killed = true;
      // Some time into the next step, or into writing the checkpoint.
      void sleep(3 * kills).then(kill);
    });
    finished = outcome.code === 0;
    const steps = stepsOf(outcome.stdout);
    // It goes on exactly where the checkpoint was, which is whole whenever the kill came, and never older than the one before.
    if (kills > 0) assert.equal(steps[0], kept + 1);
    if (!finished) {
      const checkpoint = await checkpointStep();
      assert.ok(checkpoint >= kept && checkpoint <= steps.at(-1)! + 1, `a checkpoint of step ${checkpoint}`);
      kept = checkpoint;
    }
    seen = steps.at(-1)!;
    if (!finished) kills++;
    assert.ok(kills < STEPS, 'it does not get on');
  }
  assert.ok(kills >= 5, `killed only ${kills} times`);
  const [a, b] = await Promise.all(['whole', 'killed'].map((name) => readFile(join(folder, `${name}.pxi.png`))));
  assert.ok(a!.equals(b!), 'the models differ');
  const log = await readFile(join(folder, 'losses.jsonl'), 'utf8');
  assert.deepEqual(
    stepsOf(log),
    Array.from({ length: STEPS }, (_, i) => i + 1),
  );
  assert.equal((await readFile(join(folder, 'losses.png'))).subarray(1, 4).toString(), 'PNG');
});

test('the same recipe gives the same bytes with one thread and with two, in the build that all machines compute alike', async () => {
  const files = await Promise.all(
    ['1', '2'].map(async (threads) => {
      const out = `exact-${threads}.pxi.png`;
      const words = ['train', 'short.json', '--out', out, '--exact', '--threads', threads];
      await writeFile(join(folder, 'short.json'), JSON.stringify({ ...RECIPE, steps: 12 }));
      const { code, stderr } = await runCommand(words, { cwd: folder });
      assert.equal(code, 0, stderr);
      return readFile(join(folder, out));
    }),
  );
  assert.ok(files[0]!.equals(files[1]!));
});

test('the model writes a sample whenever it is measured, and none where none is wanted', async () => {
  await writeFile(join(folder, 'sampled.json'), JSON.stringify({ ...RECIPE, steps: 5, measureEvery: 2 }));
  const reports = async (words: readonly string[]) => {
    const { code, stdout, stderr } = await runCommand(
      ['train', 'sampled.json', '--out', 'sampled.pxi.png', '--json', ...words],
      { cwd: folder },
    );
    assert.equal(code, 0, stderr);
    await rm(join(folder, 'sampled.checkpoint.pxi.png'), { force: true });
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  };
  const sampled = await reports([]);
  assert.deepEqual(
    sampled.map(({ sample }) => typeof sample?.text),
    ['undefined', 'string', 'undefined', 'string', 'string'],
  );
  const stories = await readFile(join(folder, 'stories.jsonl'), 'utf8');
  assert.ok(stories.includes(sampled[1].sample.prompt.trim()), sampled[1].sample.prompt);
  for (const report of await reports(['--no-sample'])) assert.ok(!('sample' in report));
});

test('16 bits are refused where there are none', async () => {
  const words = ['train', 'recipe.json', '--out', 'half.pxi.png', '--device', 'cpu', '--precision', 'f16'];
  const { code, stderr } = await runCommand(words, { cwd: folder });
  assert.equal(code, 2);
  assert.match(stderr, /Only the device "gpu" trains in f16/);
});

test('data with a wrong line are refused by its number, and nothing is made', async () => {
  await writeFile(join(folder, 'wrong.jsonl'), '{"text":"one"}\n{"prompt":"two"}\n');
  await writeFile(join(folder, 'wrong.json'), JSON.stringify({ ...RECIPE, data: ['wrong.jsonl'] }));
  const { code, stderr } = await runCommand(['train', 'wrong.json', '--out', 'wrong.pxi.png'], { cwd: folder });
  assert.notEqual(code, 0);
  assert.match(stderr, /wrong\.jsonl.*\b2\b/);
  await assert.rejects(readFile(join(folder, 'wrong.pxi.png')));
});

test('questions about the project: what is held out is asked in other words', async () => {
  const lines = async (extra: readonly string[]) => {
    const { code, stdout } = await runCommand(['corpus', 'docs', '--count', '500', ...extra], { cwd: folder });
    assert.equal(code, 0);
    return new Set(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).prompt as string),
    );
  };
  const learned = await lines([]);
  for (const prompt of await lines(['--held-out'])) assert.ok(!learned.has(prompt), prompt);
});
