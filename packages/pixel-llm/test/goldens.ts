/**
 * What tests need from outside the repository: the vectors made by other programs (../shared/goldens) and other people's image
 * programs. Tests that need them are skipped without them and say so; where REQUIRE_GOLDENS or REQUIRE_IMAGE_TOOLS is set
 * (continuous integration), a skip is a failure.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

type TestBody = (context: TestContext) => void | Promise<void>;

const folder = new URL('../../../../shared/goldens/', import.meta.url);

/** Path of a golden file, e.g. `models/random-llama-F16.gguf`. */
export function golden(path: string): string {
  return fileURLToPath(new URL(path, folder));
}

/** A test that needs the golden vectors. */
export function goldenTest(title: string, body: TestBody): void {
  testWith(existsSync(folder), 'REQUIRE_GOLDENS', '../shared/goldens is not here', title, body);
}

/** A test that needs a program of the machine, e.g. `pngcheck`. */
export function imageToolTest(program: string, title: string, body: TestBody): void {
  const there = spawnSync('which', [program]).status === 0;
  testWith(there, 'REQUIRE_IMAGE_TOOLS', `the program ${program} is not installed`, title, body);
}

function testWith(there: boolean, requirement: string, missing: string, title: string, body: TestBody): void {
  if (!there && process.env[requirement]) {
    void test(title, () => assert.fail(`${missing}, and ${requirement} is set`));
  } else {
    void test(title, { skip: there ? false : `NOT CHECKED: ${missing}` }, body);
  }
}
