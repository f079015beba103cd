import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { parseRoadmap, readRoadmap, tasksOfRoadmap } from './read-roadmap.ts';
import { roadmapJsonSchema } from './schema.ts';

const YAML = `
version: 1
phases:
  - id: 0_first
    tasks:
      - id: add
        title: Write add
        paths: [src/add.ts]
        test_command: node --test test/add.test.ts
        budget: 0.05
      - id: use
        title: Use add
        paths: [src/use.ts]
        dependencies: [add]
  - id: 1_second
    tasks: []
`;

function refused(text: string, message: RegExp, name = 'r.yaml') {
  assert.throws(() => parseRoadmap(text, name), { code: 'bad-roadmap', message });
}

describe('A roadmap', () => {
  test('becomes tasks, with defaults for what it leaves out', () => {
    const roadmap = parseRoadmap(YAML, 'r.yaml');
    const [add, use] = tasksOfRoadmap(roadmap);
    assert.deepEqual(
      [add?.phase, add?.budget, add?.action, add?.testCommand, add?.priority, add?.maxAttempts],
      ['0_first', 50_000_000, 'edit_file', 'node --test test/add.test.ts', 0, null],
    );
    assert.deepEqual([use?.dependencies, use?.testCommand], [['add'], null]);
    assert.deepEqual(tasksOfRoadmap(roadmap, '1_second'), []);
    assert.throws(() => tasksOfRoadmap(roadmap, '2'), { code: 'bad-roadmap', message: /0_first, 1_second/ });
    assert.deepEqual(parseRoadmap(JSON.stringify(roadmap), 'r.json'), roadmap);
  });

  test('with a wrong value is refused with the path and what is allowed', () => {
    refused(YAML.replace('id: add', 'id: "a b"'), /phases\[0\]\.tasks\[0\]\.id: letters, digits/);
    refused(YAML.replace('title: Write add', 'titel: Write add'), /phases\[0\]\.tasks\[0\].*titel/s);
    refused(YAML.replace('[src/add.ts]', '[]'), /phases\[0\]\.tasks\[0\]\.paths/);
    refused(YAML.replace('title: Use add', 'title: Use add\n        action: guess'), /write_file.*write_tests/s);
    refused(YAML.replace('version: 1', 'version: 2'), /version/);
    for (const path of ['/etc/passwd', '../x', 'a/../../b', 'a//b', './a', 'a\\b'])
      refused(YAML.replace('src/add.ts', path), /paths\[0\]: a path or glob inside the repository/);
  });

  test('that is no YAML or JSON is refused with the place', () => {
    refused('version: 1\nphases: [', /r\.yaml, line 2/);
    refused('version: 1\nversion: 1', /line 2.*unique/s);
    refused('{', /r\.json is not JSON/, 'r.json');
    refused('', /the file/);
  });

  test('with aliases that multiply beyond measure is refused', () => {
    const bomb = ['a: &a [x, x, x, x, x, x, x, x, x]'];
    for (const [from, to] of ['ab', 'bc', 'cd', 'de', 'ef'].map((pair) => [pair[0], pair[1]]))
      bomb.push(`${to}: &${to} [${`*${from}, `.repeat(9)}]`);
    refused(bomb.join('\n'), /alias/i);
  });

  test('that is not there is an io error', () => {
    assert.throws(() => readRoadmap('/nowhere/r.yaml'), { code: 'io' });
  });
});

test('coach.schema.json, for editors, is what the schema says (scripts/write-schemas.ts writes it)', () => {
  const published = readFileSync(new URL('../../coach.schema.json', import.meta.url), 'utf8');
  assert.deepEqual(JSON.parse(published), roadmapJsonSchema());
});
