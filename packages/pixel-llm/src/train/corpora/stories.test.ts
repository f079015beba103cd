import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeStory, writeStory } from './stories.ts';

test('a story is a function of its seed and number', () => {
  assert.equal(writeStory(1, 5), writeStory(1, 5));
  assert.notEqual(writeStory(1, 5), writeStory(1, 6));
  assert.notEqual(writeStory(1, 5), writeStory(2, 5));
});

test('every story written is accepted, with a probability that fits the choices made', () => {
  for (let example = 0; example < 200; example++) {
    const judged = judgeStory(writeStory(3, example));
    // 60 to 70 bits.
    assert.ok(judged && judged.nats > 38 && judged.nats < 55, `${example}: ${judged?.nats}`);
  }
});

test('a story that forgets who, where or what is refused', () => {
  const story = writeStory(4, 0);
  const [, name = ''] = /said (\w+)\./.exec(story) ?? [];
  assert.notEqual(name, '');
  const last = story.lastIndexOf(name);
  for (const broken of [
    `${story.slice(0, last)}Zork${story.slice(last + name.length)}`,
    `${story} And then?`,
    story.slice(0, -20),
    '',
    story.replace(/(orange|amber|\w+) (\w+)\. Then/, 'purple $2. Then'),
  ]) {
    assert.equal(judgeStory(broken), undefined, broken);
  }
});

test('stories do not repeat', () => {
  const count = process.env.PIXEL_FULL === '1' ? 200_000 : 20_000;
  const seen = new Set<string>();
  for (let example = 0; example < count; example++) seen.add(writeStory(1, example));
  assert.equal(seen.size, count);
});
