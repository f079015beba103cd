/**
 * The vectors made by other programs, when they lie beside the repository (../shared/goldens). Tests that need them are skipped
 * without them and say so; where REQUIRE_GOLDENS is set (continuous integration), a skip is a failure.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

type TestBody = (context: TestContext) => void | Promise<void>;

const folder = new URL('../../../../shared/goldens/', import.meta.url);

/** Path of a golden file, e.g. `models/random-llama-F16.gguf`. */
export function golden(path: string): string {
  return fileURLToPath(new URL(path, folder));
}

/** The golden models' names, without `.gguf`. */
export function goldenModels(): string[] {
  const files = readdirSync(golden('models')).filter((file) => file.endsWith('.gguf'));
  return files.map((file) => file.slice(0, -'.gguf'.length));
}

/** A test that needs the golden vectors. */
export function goldenTest(title: string, body: TestBody): void {
  const missing = '../shared/goldens is not here';
  const there = existsSync(folder);
  if (!there && process.env.REQUIRE_GOLDENS) {
    void test(title, () => assert.fail(`${missing}, and REQUIRE_GOLDENS is set`));
  } else {
    void test(title, { skip: there ? false : `NOT CHECKED: ${missing}` }, body);
  }
}
