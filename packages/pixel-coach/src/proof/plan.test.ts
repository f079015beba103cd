import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { titlesIn } from './expected-tests.ts';
import { chooseMutations, mutationsOf } from './mutations.ts';
import { planIn, planOf, testFilesOf } from './test-command.ts';

describe('A test command', () => {
  test('of Node is counted: its files are known, the options of its runner are not needed', () => {
    assert.deepEqual(planOf('node --test test/a.test.ts'), {
      kind: 'counted',
      flags: [],
      patterns: ['test/a.test.ts'],
    });
    assert.deepEqual(
      planOf("node --conditions=x --import ./setup.ts --test --test-reporter=dot 'test/**/*.test.ts' b.ts"),
      {
        kind: 'counted',
        flags: ['--conditions=x', '--import', './setup.ts'],
        patterns: ['test/**/*.test.ts', 'b.ts'],
      },
    );
    assert.deepEqual(planOf('node test/script.ts'), { kind: 'counted', flags: [], patterns: ['test/script.ts'] });
    assert.equal(planOf('node --test').kind, 'counted');
  });

  test('of anything else goes to the shell', () => {
    for (const command of [
      'npm test',
      'node --test a && true',
      'node -e 1',
      'node a.ts b.ts',
      'node --test $(ls)',
      'pytest',
      'X=1 node --test',
      'node "a',
    ])
      assert.deepEqual(planOf(command), { kind: 'shell', command });
  });

  test('of npm is looked through to the script that the trusted commit has for it', async () => {
    const scripts = {
      test: 'node --test a.ts',
      unit: 'node --test',
      postunit: 'x',
      lint: 'biome check',
      'test:all': 'node --test',
    };
    const snapshot = { read: async () => JSON.stringify({ scripts }) };
    const kindOf = async (command: string) => (await planIn(snapshot, command)).kind;
    for (const command of ['npm test', 'npm t', 'npm --silent test', 'npm run test:all', 'npm test --silent'])
      assert.equal(await kindOf(command), 'counted', command);
    for (const command of [
      'npm run unit',
      'npm run lint',
      'npm test -- --only x',
      'npm run none',
      'npm test && true',
      'npx x',
    ])
      assert.equal(await kindOf(command), 'shell', command);
    assert.equal((await planIn({ read: async () => undefined }, 'npm test')).kind, 'shell');
  });

  test('finds its files in the tree', () => {
    const paths = ['src/a.test.ts', 'test/b.js', 'src/a.ts', 'node_modules/x/a.test.js', 'test/data.json'];
    const plan = planOf('node --test');
    assert.deepEqual(plan.kind === 'counted' && testFilesOf(plan.patterns, paths), ['src/a.test.ts', 'test/b.js']);
    assert.deepEqual(testFilesOf(['./src/*.test.ts'], paths), ['src/a.test.ts']);
  });
});

test('Titles are read from a test file that cannot be loaded yet, but not those inside conditions', () => {
  const source = `import { x } from './missing.ts';
    test('one', () => {});
    describe('suite', () => { it('two', async () => {}); describe('inner', function () { test('three', () => {}); }); });
    if (process.platform === 'linux') test('maybe', () => {});
    for (const n of [1]) test('many ' + n, () => {});
    test.skip('skipped', () => {});
    await test('four', { timeout: 1 }, () => {});`;
  assert.deepEqual(titlesIn(source), ['one', 'suite > two', 'suite > inner > three', 'four']);
  assert.deepEqual(titlesIn('not ( a program'), []);
});

test('Mutations break one thing each, where it stands in the source, and leave types and imports alone', () => {
  const source = `import { a } from './a.ts';
export type T = 'x' | 1;
export function f(n: number, on: boolean = true): string {
  if (n > 0 && on) return \`\${n + 1}\`;
  let i: number = 0;
  i++;
  return 'no';
}
`;
  const mutations = mutationsOf('f.ts', source);
  const found = mutations.map(({ line, what }) => `${line}: ${what}`);
  for (const what of [
    '3: true -> false',
    '4: n > 0 && on -> !(n > 0 && on)',
    '4: && -> ||',
    '4: > -> >=',
    '4: + -> -',
    '4: 1 -> 2',
    '6: i++ -> i--',
    "7: 'no' -> undefined",
    `7: 'no' -> ""`,
  ])
    assert.ok(found.includes(what), `${what} in ${found.join('; ')}`);
  assert.ok(!found.some((what) => /^[12]:/.test(what)));
  assert.equal(new Set(mutations.map(({ content }) => content)).size, mutations.length);
  assert.ok(mutations.every(({ content }) => content !== source));
  assert.deepEqual(mutationsOf('f.py', source), []);
  assert.equal(chooseMutations(mutations, 3).length, 3);
  assert.deepEqual(chooseMutations(mutations, 3), chooseMutations(mutations, 3));
});
