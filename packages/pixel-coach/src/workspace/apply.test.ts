import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { repositoryOf } from '../../test/repository-of.ts';
import type { TaskAction } from '../store/types.ts';
import { parseAnswer } from './answer.ts';
import { applyEdits } from './apply.ts';
import { createPathRules } from './path-rules.ts';
import { openSnapshot, resolveCommit } from './repository.ts';
import { syntaxProblems } from './syntax.ts';

const FILES = {
  'src/a.ts': 'one\ntwo\nthree\ntwo\n',
  'src/crlf.ts': 'one\r\ntwo\r\n',
  'src/old.ts': 'old\n',
  'src/bare.ts': 'no end',
  'test/a.test.ts': 'a test\n',
  'package.json': '{}\n',
  link: 'x',
};

async function apply(answer: string, paths: string[] = ['**'], action: TaskAction = 'edit_file') {
  using made = await repositoryOf(FILES);
  made.git('rm', '-q', 'link');
  const { symlinkSync } = await import('node:fs');
  symlinkSync('/etc', `${made.folder}/link`);
  made.commit({});
  const snapshot = await openSnapshot(made.repository, await resolveCommit(made.repository, 'HEAD'));
  const { edits, problems } = parseAnswer(answer);
  const result = await applyEdits(edits, snapshot, createPathRules({ paths, action }));
  return { files: result.files, problems: [...problems, ...(edits.length > 0 ? result.problems : [])] };
}

const edit = (path: string, search: string, replace: string) =>
  `### EDIT: ${path}\n<<<<<<< SEARCH\n${search}=======\n${replace}>>>>>>> REPLACE\n`;
const file = (path: string, content: string) => `### FILE: ${path}\n\`\`\`ts\n${content}\`\`\`\n`;

describe('An answer', () => {
  test('gives whole files, edits and deletions, with thoughts in between', async () => {
    const { files, problems } = await apply(
      `I think:\n${file('src/new.ts', 'new\n')}Then\n${edit('src/a.ts', 'three\n', '3\n4\n')}### DELETE: src/old.ts\n`,
    );
    assert.deepEqual(problems, []);
    assert.deepEqual(files, [
      { path: 'src/a.ts', content: 'one\ntwo\n3\n4\ntwo\n' },
      { path: 'src/new.ts', content: 'new\n' },
      { path: 'src/old.ts', content: null },
    ]);
  });

  test('may have bold headers, blocks in fences, several blocks a file, and CRLF of its own', async () => {
    const answer = `**EDIT: \`src/a.ts\`**\n\`\`\`\n<<<<<<< SEARCH\none\n=======\n1\n>>>>>>> REPLACE\n<<<<<<< SEARCH\nthree\n=======\n>>>>>>> REPLACE\n\`\`\`\n`;
    const { files, problems } = await apply(answer.replaceAll('\n', '\r\n'));
    assert.deepEqual([files, problems], [[{ path: 'src/a.ts', content: '1\ntwo\ntwo\n' }], []]);
  });

  test('keeps the line endings of a file, and adds the missing last one', async () => {
    assert.equal((await apply(edit('src/crlf.ts', 'two\n', '2\n3\n'))).files[0]?.content, 'one\r\n2\r\n3\r\n');
    assert.equal((await apply(edit('src/bare.ts', 'no end\n', 'an end\n'))).files[0]?.content, 'an end\n');
  });

  test('that does not match is refused with what would help', async () => {
    const cases: readonly (readonly [string, RegExp])[] = [
      [edit('src/a.ts', 'two\n', 'x\n'), /block 1: the SEARCH part stands 2 times/],
      [edit('src/a.ts', 'onee\ntwo\n', 'x\n'), /does not stand in the file.*from line 1:\none\ntwo/s],
      [edit('src/a.ts', '', 'x\n'), /SEARCH part is empty/],
      [edit('src/none.ts', 'a\n', 'x\n'), /src\/none.ts does not exist/],
      ['### DELETE: src/none.ts', /does not exist, so it cannot be deleted/],
      ['### EDIT: src/a.ts\nnothing', /no "<<<<<<< SEARCH" block/],
      ['### EDIT: src/a.ts\n<<<<<<< SEARCH\none\n=======\n1\n', /not closed/],
      ['### FILE: src/b.ts\n```ts\ncut off', /closing line of ``` is missing/],
      ['### FILE: src/b.ts\nno fence', /must follow/],
      ['Sorry, I cannot.', /holds no "### FILE/],
      ['', /holds no/],
      [file('src/a.ts', FILES['src/a.ts']), /changes nothing/],
      [file('src/a.ts/b.ts', 'x\n'), /"src\/a.ts" is not a folder/],
      [file('src', 'x\n'), /"src" is a folder/],
      [file('link', 'x\n'), /not an ordinary file/],
      [file('link/passwd', 'x\n'), /"link" is not a folder/],
      [file('src/zero.ts', '\0\n'), /zero byte/],
      [file('src/big.ts', `${'x'.repeat(2 ** 20)}\n`), /at most 1048576/],
      [Array.from({ length: 51 }, (_, index) => file(`src/${index}.ts`, 'x\n')).join(''), /51 files/],
    ];
    for (const [answer, message] of cases) {
      const { problems } = await apply(answer);
      assert.equal(problems.length, 1, `${answer.slice(0, 60)}: ${problems}`);
      assert.match(problems[0] ?? '', message);
    }
  });

  test('a block that fails takes the whole file with it', async () => {
    const { files, problems } = await apply(edit('src/a.ts', 'one\n', '1\n') + edit('src/a.ts', 'nowhere\n', '2\n'));
    assert.equal(problems.length, 1);
    assert.deepEqual(files, [{ path: 'src/a.ts', content: '1\ntwo\nthree\ntwo\n' }]);
  });

  test('of any text at all is read without an exception', () => {
    const piece = fc.constantFrom(
      '### FILE: a\n',
      '### EDIT: b\n',
      '```\n',
      '<<<<<<< SEARCH\n',
      '=======\n',
      '>>>>>>> REPLACE\n',
      'x\n',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece).map((pieces) => pieces.join('')),
        ),
        (text) => {
          const { edits, problems } = parseAnswer(text);
          assert.ok(edits.length + problems.length > 0);
        },
      ),
    );
  });
});

describe('Paths that an attempt may write', () => {
  const refusal = (path: string, { exists = false, action = 'edit_file' as TaskAction, paths = ['**'] } = {}) =>
    createPathRules({ paths, action }).refuse(path, exists);

  test('are plain, whatever a file system makes of tricks', () => {
    for (const path of [
      '/etc/passwd',
      '../x',
      'a/../../x',
      './a',
      'a//b',
      'a\\b',
      'C:x',
      'a/',
      '',
      'a\0',
      'a\nb',
      'a. ',
      '.g\u200cit/config',
      'GIT~1/config',
      'x/..',
    ])
      assert.match(refusal(path) ?? '', /plain path/, path);
  });

  test('are not tests, lock files, runner settings, CI, editor or coach files, nor git', () => {
    const paths = [
      ...['.git', '.git/config', '.GIT/hooks/pre-commit', 'sub/.git', 'a/.Git/x', '.gitattributes', 'a/.gitmodules'],
      ...[
        'package.json',
        'packages/a/package.json',
        'package-lock.json',
        'yarn.lock',
        'Cargo.lock',
        '.npmrc',
        'tsconfig.json',
      ],
      ...[
        'vitest.config.ts',
        'a/conftest.py',
        '.github/workflows/x.yml',
        '.ci/run',
        '.vscode/tasks.json',
        '.env',
        'node_modules/a/index.js',
      ],
      ...['.pixel-coach/coach.db', 'pixel-coach.config.json', 'coach.roadmap.yaml'],
      ...['a.test.ts', 'test/helper.ts', 'src/__tests__/x.js', 'Test/x.js', 'a_test.go', 'test_a.py', 'a.spec.js'],
    ];
    for (const path of paths) assert.match(refusal(path) ?? '', /protected|is a test/, path);
    assert.equal(refusal('src/a.ts'), undefined);
  });

  test('are those of the task', () => {
    assert.equal(refusal('src/a.ts', { paths: ['src/*.ts'] }), undefined);
    assert.match(refusal('src/b/a.ts', { paths: ['src/*.ts'] }) ?? '', /not among the paths/);
  });

  test('are new tests, and nothing else, for a task that writes tests', () => {
    const action = 'write_tests';
    assert.equal(refusal('test/new.test.ts', { action }), undefined);
    assert.match(refusal('test/old.test.ts', { action, exists: true }) ?? '', /exists already/);
    assert.match(refusal('src/a.ts', { action }) ?? '', /not a test/);
    assert.match(refusal('test/package.json', { action }) ?? '', /protected/);
  });
});

test('Syntax is checked without running anything: TypeScript, JavaScript, JSON, YAML', () => {
  const problems = syntaxProblems([
    { path: 'a.ts', content: 'const a: number = 1; export type B = string;' },
    { path: 'b.ts', content: 'const a: = 1;' },
    { path: 'c.js', content: 'return 1 +' },
    { path: 'd.json', content: '{,}' },
    { path: 'e.yaml', content: 'a: [' },
    { path: 'f.py', content: 'def (' },
    { path: 'g.ts', content: null },
    { path: 'h.cjs', content: '#!/usr/bin/env node\nreturn require("x");' },
  ]);
  assert.deepEqual(
    problems.map((problem) => problem.split(' ')[0]),
    ['b.ts', 'c.js', 'd.json', 'e.yaml'],
  );
});
