/** The map of a repository that a model gets: every path, and what source files export, as far as there is room. */
import type { Snapshot, TreeEntry } from '../workspace/repository.ts';

const SOURCE = /\.([mc]?[jt]sx?|py|go|rs|java|kt|rb|php|c|h|cc|cpp|hpp|cs|swift)$/;
const MOST_SOURCES = 400;
const MOST_SOURCE_BYTES = 200_000;
const NAMES =
  /^(?:export\s+(?:default\s+)?(?:async\s+)?(?:abstract\s+)?(?:function\*?|class|const|let|interface|type|enum)|(?:pub\s+)?(?:fn|struct|trait)|func|def|class)\s+([A-Za-z_$][\w$]*)/gm;

/** One line a file: `src/add.ts: add, subtract`. At most `characters` long; `near` are the files that come first. */
export async function repositoryMap(
  snapshot: Snapshot,
  characters: number,
  { isHidden, near }: { readonly isHidden: (path: string) => boolean; readonly near: readonly string[] },
): Promise<string> {
  const folders = new Set(near.map(folderOf));
  const entries = [...snapshot.entries.values()]
    .filter(({ path, mode }) => mode !== '160000' && !isHidden(path))
    .toSorted((a, b) => rank(a, folders) - rank(b, folders) || (a.path < b.path ? -1 : 1));
  const sources = entries
    .filter(({ path, size }) => SOURCE.test(path) && size < MOST_SOURCE_BYTES)
    .slice(0, MOST_SOURCES);
  const texts = await snapshot.readAll(sources);
  const exported = new Map(sources.map(({ path }, index) => [path, namesIn(texts[index]?.toString('utf8') ?? '')]));
  const lines: string[] = [];
  let room = characters;
  for (const { path } of entries) {
    const names = exported.get(path) ?? [];
    const line = names.length > 0 ? `${path}: ${names.join(', ')}` : path;
    room -= line.length + 1;
    if (room < 0) {
      lines.push(`... and ${entries.length - lines.length} more files`);
      break;
    }
    lines.push(line);
  }
  return lines.join('\n');
}

function namesIn(source: string): string[] {
  return [...source.matchAll(NAMES)].map(([, name = '']) => name).slice(0, 30);
}

function rank({ path }: TreeEntry, folders: ReadonlySet<string>): number {
  return folders.has(folderOf(path)) ? 0 : path.split('/').length;
}

function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
