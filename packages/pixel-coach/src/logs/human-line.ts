/** A line of the log as a person reads it. */
import { cleanLine } from '../core/clean-text.ts';

const MARKS: Readonly<Record<string, string>> = { warn: '!', error: '!!', debug: '.' };

/** "22:31:05    slugify  attempt 1 by local: tests passed". Lines that are no log are given back as they are. */
export function humanLine(line: string): string {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(line);
  } catch {
    return cleanLine(line);
  }
  const time = typeof fields.time === 'string' ? new Date(fields.time).toTimeString().slice(0, 8) : '--:--:--';
  const mark = (MARKS[String(fields.level)] ?? '').padEnd(2);
  const task = typeof fields['coach.task.id'] === 'string' ? `${fields['coach.task.id']}: ` : '';
  return cleanLine(`${time} ${mark} ${task}${String(fields.msg ?? '')}`);
}
