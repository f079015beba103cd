/** A text through the user's editor. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CoachError } from '../core/errors.ts';
import type { CommandContext } from './command.ts';

/** Throws `bad-argument` when the editor cannot be opened or ends with a failure. */
export async function editText(text: string, fileName: string, { environment }: CommandContext): Promise<string> {
  const [program = 'vi', ...parameters] = (environment.VISUAL || environment.EDITOR || 'vi').split(/\s+/);
  const folder = await mkdtemp(join(tmpdir(), 'pixel-coach-edit-'));
  try {
    const file = join(folder, fileName);
    await writeFile(file, text);
    await new Promise<void>((resolve, reject) => {
      const child = spawn(program, [...parameters, file], { stdio: 'inherit' });
      child.on('error', (cause) => {
        reject(new CoachError('bad-argument', `The editor "${program}" cannot be opened; set $EDITOR.`, { cause }));
      });
      child.on('close', (code) => {
        if (code === 0) resolve();
        else reject(new CoachError('bad-argument', `The editor ended with ${code}; nothing was changed.`));
      });
    });
    return await readFile(file, 'utf8');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
