/** Folders for exports, indexes and sandboxes: private, outside of every repository, and swept when a killed process left them behind. */
import { lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PREFIX = 'pixel-coach-work-';
/** No attempt takes so long. */
const STALE_MILLISECONDS = 24 * 3_600_000;

export function makeTemporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), PREFIX));
}

/** Removes what processes that were killed left behind: folders of this name, of this user, a day old. */
export function removeStaleFolders(now: number = Date.now()): void {
  for (const name of readdirSync(tmpdir())) {
    if (!name.startsWith(PREFIX)) continue;
    const path = join(tmpdir(), name);
    try {
      const { uid, mtimeMs } = lstatSync(path);
      if (uid === process.getuid?.() && mtimeMs < now - STALE_MILLISECONDS)
        rmSync(path, { recursive: true, force: true });
    } catch {
      // Somebody else was faster.
    }
  }
}
