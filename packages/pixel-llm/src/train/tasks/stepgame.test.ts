import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { golden, goldenTest } from '../../../test/goldens.ts';
import { choiceSource } from '../../core/random.ts';
import { partOf, promptOf } from './question.ts';
import { parseStepgame, Retellings, renamed, SentenceForms } from './stepgame.ts';

/** In the format's form, in words of our own. */
const FILE = JSON.stringify({
  0: { story: ['P floats over Q.'], question: 'What is the relation of the agent P to the agent Q?', label: 'above' },
  1: { story: ['P floats over Q.'], question: 'What is the relation of the agent Q to the agent P?', label: 'below' },
  2: { story: ['R floats over S.'], question: 'What is the relation of the agent R to the agent S?', label: 'left' },
  3: { story: ['T waits west of U.'], question: 'What is the relation of the agent U to the agent T?', label: 'right' },
  4: {
    story: ['V floats over W.', 'W waits west of Z.'],
    question: 'What is the relation of the agent V to the agent Z?',
    label: 'upper-left',
  },
  5: {
    story: ['V floats over W.', 'W waits west of Z.'],
    question: 'What is the relation of the agent Z to the agent V?',
    label: 'right',
  },
});

test('what a form of sentence says is learned by majority, and steps come of it', () => {
  const questions = parseStepgame('game.json', FILE);
  const forms = new SentenceForms(questions);
  assert.equal(forms.size, 2);
  assert.deepEqual(
    questions.map((question) => forms.answerWithSteps(question)),
    [
      'P 1 asked, P 2 above Q, Q 1 below P, at a Q 0 0, Q 1 below P, b P 0 1 Q, Q 2 none, at b P 0 1 Q, P 1 asked: above',
      'Q 1 asked, P 1 above Q, Q 2 below P, at a P 0 0, P 1 above Q, b Q 0 -1 P, P 2 none, at b Q 0 -1 P, Q 1 asked: below',
      // A label that contradicts its form stays, without steps.
      'left',
      'U 1 asked, T 1 left U, U 2 right T, at a T 0 0, T 1 left U, b U 1 0 T, T 2 none, at b U 1 0 T, U 1 asked: right',
      'V 1 asked, V 2 above W, W 1 below V, W 2 left Z, Z 1 right W, at a Z 0 0, Z 1 right W, b W -1 0 Z, Z 2 none, at b W -1 0 Z, W 1 below V, c V -1 1 W, W 2 left Z back, W 3 none, at c V -1 1 W, V 1 asked: upper-left',
      'right',
    ],
  );
  assert.deepEqual([...new Set(questions.map(({ kind }) => kind))], ['k = 1', 'k = 2']);
});

test('letters are exchanged alike in story and question', () => {
  const [, , , , question] = parseStepgame('game.json', FILE);
  const forms = new SentenceForms(parseStepgame('game.json', FILE));
  for (let example = 0; example < 50; example++) {
    const other = renamed(question!, choiceSource(1, example));
    assert.equal(other.answer, 'upper-left');
    const steps = forms.answerWithSteps(other).split(', ');
    assert.match(steps[5]!, /^at a [A-Z] 0 0$/);
    assert.match(steps.at(-2)!, /^at c [A-Z] -1 1 [A-Z]$/);
    assert.match(steps.at(-1)!, /^[A-Z] 1 asked: upper-left$/);
    assert.ok(promptOf(other).endsWith('?'));
  }
});

test('sentences in new company make stories whose labels follow from what the forms say', () => {
  const questions = parseStepgame('game.json', FILE);
  const forms = new SentenceForms(questions);
  const retellings = new Retellings(questions, forms);
  const stories = new Set<string>();
  for (let example = 0; example < 300; example++) {
    const made = retellings.draw(choiceSource(3, example));
    stories.add(made.story.replace(/\b[A-Z]\b/g, '_'));
    assert.equal(made.sentences.length, Number(made.kind.slice(4)));
    const [steps = '', answer] = forms.answerWithSteps(made).split(': ');
    if (answer === undefined) continue;
    assert.equal(answer, made.answer);
    const [x = 0, y = 0] = steps.split(', ').at(-2)!.split(' ').slice(3, 5).map(Number);
    const words = [
      ['lower-left', 'left', 'upper-left'],
      ['below', 'overlap', 'above'],
      ['lower-right', 'right', 'upper-right'],
    ];
    assert.equal(answer, words[Math.sign(x) + 1]![Math.sign(y) + 1]);
  }
  // Two forms: two stories of one sentence, four of two.
  assert.equal(stories.size, 6);
});

goldenTest('forms learned from the learned part agree with nearly all labels of the part that is held out', () => {
  const [one, two] = [1, 2].map((k) =>
    parseStepgame(`clean ${k}`, readFileSync(golden(`spatial/clean_qa${k}_train.json`), 'utf8')),
  );
  const forms = new SentenceForms(partOf(one!, 'learned'));
  for (const questions of [one!, two!]) {
    const heldOut = partOf(questions, 'held-out');
    const agreeing = heldOut.filter((question) => forms.answerWithSteps(question).includes(':'));
    assert.ok(agreeing.length > 0.96 * heldOut.length, `${agreeing.length} of ${heldOut.length}`);
  }
});

test('a file of another form is refused, with the place', () => {
  assert.throws(() => parseStepgame('x.json', '{'), { code: 'bad-data', message: /x\.json is not JSON/ });
  assert.throws(() => parseStepgame('x.json', '{}'), { code: 'bad-data' });
  assert.throws(() => parseStepgame('x.json', '{"7": {"story": [], "question": "?", "label": "left"}}'), {
    code: 'bad-data',
    message: /7\.story/,
  });
});
