import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

const packageFolder = join(import.meta.dirname, '..');
let folder = '';

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'pixel-llm-package-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

function npm(cwd: string, ...parameters: string[]): string {
  return execFileSync('npm', parameters, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Runs the installed command as a user would, without the workspaces' source condition. */
function installed(...parameters: string[]): string {
  const { NODE_OPTIONS: _, ...environment } = process.env;
  const binary = join(folder, 'node_modules/.bin/pixel-llm');
  return execFileSync(process.execPath, [binary, ...parameters], { cwd: folder, encoding: 'utf8', env: environment });
}

describe('The published package', () => {
  test('installs from its tarball, runs the main job from the command line, and is importable', () => {
    npm(packageFolder, 'run', 'build');
    const [packed]: { filename: string; files: { path: string }[] }[] = JSON.parse(
      npm(packageFolder, 'pack', '--json', '--ignore-scripts', '--pack-destination', folder),
    );
    assert.ok(packed);
    const unwanted = packed.files.filter(({ path }) => /\.test\.|^src\/|\.tsbuildinfo/.test(path));
    assert.deepEqual(unwanted, []);

    writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
    npm(folder, 'install', '--prefer-offline', '--no-audit', '--no-fund', join(folder, packed.filename));

    assert.match(installed('--version'), /^\d+\.\d+\.\d+/);
    installed('make-model', '--shape', 'toy', '--type', 'Q8_0', '--seed', '3', 'toy.gguf');
    installed('convert', 'toy.gguf', 'toy.pxi.png');
    installed('verify', 'toy.pxi.png');
    assert.match(installed('run', '--prompt', 'Tell me what PixelFS is.', '--temperature', '0'), /any bytes as a PNG/);
    assert.ok(installed('run', 'toy.pxi.png', 'Hello', '--max-tokens', '4', '--ignore-eos').length > 0);
    installed('convert', 'toy.pxi.png', 'back.gguf');
    assert.equal(statSync(join(folder, 'back.gguf')).size, statSync(join(folder, 'toy.gguf')).size);

    const script = `import { loadModel, PixelError } from 'pixel-llm';
      const model = await loadModel('toy.pxi.png');
      let pieces = 0;
      for await (const piece of model.createSession().generate('Hello', { maxTokens: 3, ignoreEndOfText: true, seed: 1 })) pieces++;
      await model.dispose();
      console.log(pieces > 0 && typeof PixelError);`;
    writeFileSync(join(folder, 'use.js'), script);
    assert.equal(execFileSync(process.execPath, ['use.js'], { cwd: folder, encoding: 'utf8' }).trim(), 'function');
  });

  test('says in one sentence that a Node is too old', () => {
    const pretend = "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } });";
    writeFileSync(join(folder, 'pretend.cjs'), pretend);
    const command = join(packageFolder, 'bin/pixel-llm.js');
    const result = spawnSync(process.execPath, ['--require', join(folder, 'pretend.cjs'), command, '--version'], {
      encoding: 'utf8',
    });
    assert.equal(result.stderr, 'pixel-llm needs Node 24 or newer, and this is Node 20.20.2.\n');
    assert.equal(result.status, 1);
  });
});
