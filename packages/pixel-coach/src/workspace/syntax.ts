/**
 * Looks whether changed files can be parsed at all, before a sandbox is started for them. Nothing is run: JavaScript and TypeScript
 * are compiled and thrown away, JSON and YAML are read. Other files pass; the tests will tell.
 */
import { stripTypeScriptTypes } from 'node:module';
import { extname } from 'node:path';
import { parse } from 'acorn';
import { parseDocument } from 'yaml';
import type { ChangedFile } from '../store/types.ts';

/** One sentence a file that cannot be parsed. */
export function syntaxProblems(files: readonly ChangedFile[]): string[] {
  return files.flatMap(({ path, content }) => {
    if (content === null) return [];
    try {
      CHECKS[extname(path).toLowerCase()]?.(content);
      return [];
    } catch (error) {
      return [`${path} cannot be parsed: ${error instanceof Error ? error.message : error}`];
    }
  });
}

/** TypeScript with its types blanked out, so that every remaining character stands where it stood. */
export function withoutTypes(source: string): string {
  // The function is marked experimental, and says so to whoever reads the terminal, who cannot do anything about it.
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return stripTypeScriptTypes(source, { mode: 'strip' });
  } finally {
    process.emitWarning = emitWarning;
  }
}

export function parseJavaScript(source: string): ReturnType<typeof parse> {
  const options = { ecmaVersion: 'latest', allowHashBang: true, locations: true } as const;
  try {
    return parse(source, { ...options, sourceType: 'module' });
  } catch (error) {
    try {
      return parse(source, { ...options, sourceType: 'script', allowReturnOutsideFunction: true });
    } catch {
      throw error;
    }
  }
}

const checkScript = (source: string): void => void parseJavaScript(source);
const checkTypes = (source: string): void => void parseJavaScript(withoutTypes(source));

const CHECKS: Readonly<Record<string, (content: string) => void>> = {
  '.js': checkScript,
  '.mjs': checkScript,
  '.cjs': checkScript,
  '.ts': checkTypes,
  '.mts': checkTypes,
  '.cts': checkTypes,
  '.json': (content) => void JSON.parse(content),
  '.yaml': checkYaml,
  '.yml': checkYaml,
};

function checkYaml(content: string): void {
  const [error] = parseDocument(content).errors;
  if (error !== undefined) throw error;
}
