import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { golden, goldenTest } from '../../../test/goldens.ts';
import { choiceSource } from '../../core/random.ts';
import { answerWithSteps, BabiVariations, parseBabi } from './babi.ts';
import { partOf, promptOf, type Question } from './question.ts';

/** In the format's form, in words of our own. */
const SIDES = `1 The green cube is to the left of the ring.
2 The cone is above the ring.
3 Is the cone to the right of the green cube?\tyes\t1 2
4 Is the green cube above the cone?\tno\t1 2
1 The ring is below the cone.
2 Is the ring below the cone?\tyes\t1
`;
const WINDS = `1 The attic is north of the cellar.
2 The porch is west of the attic.
3 The stable is east of the cellar.
4 How do you go from the porch to the cellar?\te,s\t2 1
`;

test('a question is asked of the story so far', () => {
  const questions = parseBabi('sides.txt', SIDES);
  assert.deepEqual(
    questions.map(({ kind, answer }) => [kind, answer]),
    [
      ['2 facts', 'yes'],
      ['2 facts', 'no'],
      ['1 facts', 'yes'],
    ],
  );
  assert.equal(
    promptOf(questions[1]!),
    'The green cube is to the left of the ring. The cone is above the ring. Is the green cube above the cone?',
  );
});

test('steps lead to the answer', () => {
  const [first] = parseBabi('sides.txt', SIDES);
  assert.equal(answerWithSteps(first!), 'green cube 0 0, ring 1 0, cone 1 1: yes');
  const [way] = parseBabi('winds.txt', WINDS);
  assert.equal(answerWithSteps(way!), 'attic south cellar, stable west cellar, porch east attic: e,s');
  const other: Question = { story: 'It rains.', question: 'Is it wet?', answer: 'yes', kind: '' };
  assert.equal(answerWithSteps(other), 'yes');
});

/** The truth of a question, from its steps alone. */
function solved(question: Question): string {
  const steps = answerWithSteps(question).split(':')[0]!.split(', ');
  if (/^Is/.test(question.question)) {
    const [x, y] = steps.at(-1)!.split(' ').slice(-2).map(Number) as [number, number];
    const holds = { above: y > 0, below: y < 0, left: x < 0, right: x > 0 };
    const [asked] = /above|below|left|right/.exec(question.question)!;
    return holds[asked as keyof typeof holds] ? 'yes' : 'no';
  }
  const leads = new Map(steps.map((step) => [step.split(' ')[0]!, step.split(' ').slice(1) as [string, string]]));
  const [, from = '', to] = /from the (\w+) to the (\w+)/.exec(question.question)!;
  const letters: string[] = [];
  for (let room = from; room !== to; room = leads.get(room)![1]) letters.push(leads.get(room)![0][0]!);
  return letters.join(',');
}

function checkVariations(questions: readonly Question[], count: number): void {
  const variations = new BabiVariations(questions);
  const prompts = new Set<string>();
  for (let example = 0; example < count; example++) {
    const varied = variations.draw(choiceSource(3, example));
    prompts.add(promptOf(varied));
    assert.equal(solved(varied), varied.answer, promptOf(varied));
  }
  assert.ok(prompts.size > 0.5 * count, `${prompts.size} different ones of ${count}`);
}

test('varied questions have other names and directions, and the answers they then must have', () => {
  checkVariations(parseBabi('sides.txt', SIDES), 20);
  checkVariations(parseBabi('winds.txt', WINDS), 40);
});

for (const task of ['17_positional-reasoning', '19_path-finding']) {
  goldenTest(`every question of bAbI ${task} is understood, and no story is in two parts`, () => {
    const questions = parseBabi(task, readFileSync(golden(`spatial/babi_en10k_qa${task}_train.txt`), 'utf8'));
    assert.equal(questions.length, 10_000);
    for (const question of questions) assert.equal(solved(question), question.answer);
    checkVariations(questions, 500);
    const [learned, heldOut] = (['learned', 'held-out'] as const).map((part) => partOf(questions, part));
    assert.equal(learned!.length + heldOut!.length, questions.length);
    assert.ok(heldOut!.length > 800 && heldOut!.length < 1200, `${heldOut!.length} are held out`);
    const stories = new Set(learned!.map(({ story }) => story));
    assert.ok(heldOut!.every(({ story }) => !stories.has(story)));
  });
}

test('a file of another form is refused, with the line', () => {
  assert.throws(() => parseBabi('x.txt', '1 The a is above the b.\nno number\n'), {
    code: 'bad-data',
    message: /x\.txt, line 2/,
  });
  assert.throws(() => parseBabi('x.txt', '1 The a is above the b.\n'), { code: 'bad-data', message: /no questions/ });
  assert.throws(() => parseBabi('x.txt', '1 Where?\t\t1\n'), { code: 'bad-data', message: /line 1/ });
});
