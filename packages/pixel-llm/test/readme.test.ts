import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { runCommand } from './command-line.ts';
import { makeTinyModel, tinyGguf } from './tiny-model.ts';

const root = join(import.meta.dirname, '../../..');
const packageFolder = join(import.meta.dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'pixel-llm-readme-'));
after(() => rmSync(folder, { recursive: true, force: true }));

interface Example {
  readonly name: string;
  readonly code: string;
}

/** Every TypeScript block of the two READMEs, as it stands. */
const examples: readonly Example[] = ['README.md', 'packages/pixel-llm/README.md'].flatMap((page) => {
  const blocks = readFileSync(join(root, page), 'utf8').matchAll(/^```ts\n(.*?)^```/gms);
  return [...blocks].map(([, code = ''], index) => ({
    name: `${page.replaceAll('/', '-')}-${index + 1}.mts`,
    code,
  }));
});

before(async () => {
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(packageFolder, join(folder, 'node_modules/pixel-llm'), 'dir');
  writeFileSync(join(folder, 'model.gguf'), tinyGguf(makeTinyModel({ contextLength: 2048 })));
  const { code, stderr } = await runCommand(['convert', 'model.gguf', 'model.pxi.png'], { cwd: folder });
  assert.equal(code, 0, stderr);
  for (const { name, code: text } of examples) writeFileSync(join(folder, name), text);
});

describe('The examples of the READMEs', () => {
  test('are several, and import the package by its name', () => {
    assert.ok(examples.length >= 5);
    for (const { name, code } of examples) assert.ok(code.includes("from 'pixel-llm'"), name);
  });

  test('fit the types', () => {
    const compilerOptions = {
      noEmit: true,
      types: ['node'],
      typeRoots: [join(root, 'node_modules/@types')],
      lib: ['es2024', 'esnext.disposable', 'esnext.iterator', 'dom', 'dom.asynciterable'],
      resolveJsonModule: true,
    };
    const files = examples.map(({ name }) => name);
    const settings = { extends: join(root, 'tsconfig.base.json'), compilerOptions, files };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(settings));
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    execFileSync(process.execPath, [compiler, '-p', folder], { encoding: 'utf8', stdio: 'pipe' });
  });

  for (const { name } of examples) {
    test(`run: ${name}`, () => {
      // Not counted for coverage: that would forbid the cache, and what they run is covered elsewhere.
      const { NODE_V8_COVERAGE: _, ...environment } = process.env;
      const output = execFileSync(process.execPath, ['--conditions=pixel-llm-source', name], {
        cwd: folder,
        encoding: 'utf8',
        stdio: 'pipe',
        timeout: 60_000,
        env: { ...environment, NODE_COMPILE_CACHE: join(folder, 'cache') },
      });
      assert.ok(output.length > 0 || /isPixelError/.test(readFileSync(join(folder, name), 'utf8')));
    });
  }
});
