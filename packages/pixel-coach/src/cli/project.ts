/** The project a command works on: its configuration, its store, and the names that go into the store's log of changes. */
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { type LoadedConfig, loadConfig } from '../config/load-config.ts';
import { openSqliteStore } from '../store/sqlite-store.ts';
import type { Author, Store } from '../store/types.ts';
import type { CommandContext, CommonFlags } from './command.ts';

/** Everything that the coach keeps of a project is in this folder. */
export const COACH_FOLDER = '.pixel-coach';

export interface Project extends AsyncDisposable, LoadedConfig {
  readonly store: Store;
  /** `.pixel-coach` beside the configuration. */
  readonly coachFolder: string;
  /** Where each run's JSONL log is. */
  readonly logFolder: string;
}

/** Throws `no-config`, `bad-config`, `bad-store`, `io`. */
export async function openProject(context: CommandContext, flags: CommonFlags): Promise<Project> {
  const { folder, environment } = context;
  const loaded = await loadConfig(folder, { path: flags.config, environment });
  const coachFolder = join(loaded.folder, COACH_FOLDER);
  const store = openSqliteStore(join(coachFolder, 'coach.db'));
  return {
    ...loaded,
    store,
    coachFolder,
    logFolder: join(coachFolder, 'logs'),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

/** Who changes something by a command. */
export function commandAuthor(why: string): Author {
  return { who: `${userInfo().username} (pixel-coach)`, why };
}
