/**
 * The vectors made by other programs, when they lie beside the repository (../shared/goldens). Tests that need them are
 * skipped without, and each says so; with them they check everything.
 */
import { existsSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const folder = new URL('../../../../shared/goldens/', import.meta.url);

export const haveGoldens: boolean = existsSync(folder);

/** Path of a golden file, e.g. `models/random-llama-F16.gguf`. */
export function golden(path: string): string {
  return fileURLToPath(new URL(path, folder));
}

/** A test that needs the golden vectors. */
export function goldenTest(title: string, body: (context: TestContext) => void | Promise<void>): void {
  const skip = haveGoldens ? false : 'NOT CHECKED: ../shared/goldens is not here';
  void test(title, { skip }, body);
}
