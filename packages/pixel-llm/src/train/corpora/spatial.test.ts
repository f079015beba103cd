import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withoutSteps, withSteps } from '../tasks/question.ts';
import { solveSpatial } from './solve-spatial.ts';
import { DIRECTIONS, SPATIAL_KINDS, type SpatialKind, writeSpatial } from './spatial.ts';

for (const kind of SPATIAL_KINDS) {
  test(`every ${kind} question has one answer, which a search from its text finds`, () => {
    for (let example = 0; example < 1000; example++) {
      const { prompt, completion, hops } = writeSpatial(7, example, { kind });
      assert.equal(solveSpatial(prompt), completion, prompt);
      assert.ok(hops >= 1);
    }
  });
}

test('steps lead from thing to thing, each told by one of the facts, and end in the answer', () => {
  const stepsOf = (kind: SpatialKind): string[] =>
    Array.from({ length: 300 }, (_, example) => {
      const made = writeSpatial(11, example, { kind });
      assert.equal(withoutSteps(withSteps(made.steps, made.completion)), made.completion);
      assert.equal(withoutSteps(made.completion), made.completion);
      return `${made.prompt}|${made.steps}|${made.completion}`;
    });
  for (const line of stepsOf('relation')) {
    const [prompt = '', steps = ''] = line.split('|');
    // "a 0 0, b above a, b 0 1": every second one says where a thing is, and the one before it what was told, with both names.
    const written = steps.split(', ');
    const things = written.filter((_, i) => i % 2 === 0).map((step) => step.split(' ') as [string, string, string]);
    const said = written.filter((_, i) => i % 2 === 1).map((step) => step.split(' '));
    assert.equal(said.length, things.length - 1);
    assert.deepEqual(things[0]?.slice(1), ['0', '0']);
    for (const [i, [thing, x, y]] of things.entries()) {
      if (i === 0) continue;
      const [before, bx, by] = things[i - 1]!;
      const [name, other] = [said[i - 1]![0]!, said[i - 1]!.at(-1)!];
      assert.deepEqual([name, other].toSorted(), [thing, before].toSorted());
      const words = said[i - 1]!.slice(1, -1).join('.*');
      assert.match(prompt, new RegExp(`The ${name} is [a-z ]*${words}[a-z ]* the ${other}\\.`));
      const told = solveSpatial(`${prompt.replace(/Where is.*/, '')}Where is the ${thing} from the ${before}?`);
      const step = DIRECTIONS.find(({ words }) => words.replace(/ of$/, '') === told)!;
      assert.deepEqual([Number(x) - Number(bx), Number(y) - Number(by)], [step.x, step.y], line);
    }
  }
  for (const line of stepsOf('path')) {
    const [prompt = '', steps = '', answer = ''] = line.split('|');
    const [, from, to] = /from the (\w+) to the (\w+)\?/.exec(prompt)!;
    const towards = new Map(steps.split(', ').map((step) => [step.split(' ')[0]!, step.split(' ').slice(1)]));
    const words: string[] = [];
    for (let room = from!; room !== to; room = towards.get(room)![1]!) words.push(towards.get(room)![0]!);
    assert.equal(words.join(', '), answer);
  }
  for (const line of stepsOf('containment')) {
    const [prompt = '', steps = '', answer] = line.split('|');
    const [, holder] = /in the (\w+)\?$/.exec(prompt)!;
    assert.equal(steps.split(' in ').at(-1) === holder ? 'yes' : 'no', answer);
  }
});

test('an example is a function of seed and number, and kinds take turns', () => {
  assert.deepEqual(writeSpatial(1, 8), writeSpatial(1, 8));
  assert.notDeepEqual(writeSpatial(1, 8), writeSpatial(2, 8));
  assert.deepEqual(
    SPATIAL_KINDS.map((_, example) => writeSpatial(1, example).kind),
    SPATIAL_KINDS,
  );
});

test('relations need one to ten hops, and all nine answers occur', () => {
  const examples = Array.from({ length: 2000 }, (_, example) => writeSpatial(3, example, { kind: 'relation' }));
  assert.deepEqual(
    [...new Set(examples.map(({ hops }) => hops))].sort((a, b) => a - b),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  );
  assert.equal(new Set(examples.map(({ completion }) => completion)).size, 9);
});

test('yes and no are about as frequent', () => {
  for (const kind of ['containment', 'size'] as const) {
    const yes = Array.from({ length: 1000 }, (_, i) => writeSpatial(5, i, { kind })).filter(
      ({ completion }) => completion === 'yes',
    );
    assert.ok(yes.length > 420 && yes.length < 580, `${kind}: ${yes.length} of 1000`);
  }
});

test('a question whose text does not say the answer is not answered', () => {
  assert.equal(
    solveSpatial('The cup is above the pen. The hat is above the box. Where is the cup from the hat?'),
    undefined,
  );
  assert.equal(solveSpatial('The cup is larger than the pen. Is the hat larger than the pen?'), undefined);
  assert.equal(solveSpatial('What time is it?'), undefined);
});
