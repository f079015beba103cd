/**
 * The names of the pictures of one model: `NAME.pxi.png`, or `NAME-00001-of-0000N.pxi.png` and so on when it takes several.
 */
import { partNames } from '../gguf/split.ts';

const ENDING = /((?:\.pxi)?\.png)$/i;
const MEMBER = /^(.*-)(\d{5})-of-(\d{5})((?:\.pxi)?\.png(?:[?#].*)?)$/is;

/** The names to write `count` pictures under. */
export function pictureNames(name: string, count: number): string[] {
  if (count === 1) return [name];
  const ending = ENDING.exec(name)?.[1] ?? '';
  const stem = name.slice(0, name.length - ending.length);
  return Array.from({ length: count }, (_, index) => `${stem}-${five(index + 1)}-of-${five(count)}${ending}`);
}

/** The names of all pictures of the set, read from the name of one; undefined when it is not named like one of so many. */
export function siblingNames(name: string, count: number): string[] | undefined {
  const [, before, , total, after] = MEMBER.exec(name) ?? [];
  if (before === undefined || after === undefined || Number(total) !== count) return undefined;
  return Array.from({ length: count }, (_, index) => `${before}${five(index + 1)}-of-${five(count)}${after}`);
}

/** The names of all files (GGUF or pictures) of the set that a path or URL names one of; itself, when it names a file alone. */
export function namedMembers(name: string): string[] {
  const [, , number, total] = MEMBER.exec(name) ?? [];
  const count = Number(total);
  const isMember = Number(number) >= 1 && Number(number) <= count;
  return (isMember ? siblingNames(name, count) : partNames(name)) ?? [name];
}

/** True for the name of the first file of a set (GGUF or pictures) that was written under `name`. */
export function isFirstOfSet(candidate: string, name: string): boolean {
  const [, stem, ending] = /^(.*?)((?:\.pxi)?\.png|\.gguf)$/i.exec(name) ?? [];
  if (stem === undefined || ending === undefined || !candidate.startsWith(`${stem}-00001-of-`)) return false;
  return (
    candidate.endsWith(ending) && /^\d{5}$/.test(candidate.slice(stem.length + '-00001-of-'.length, -ending.length))
  );
}

function five(number: number): string {
  return String(number).padStart(5, '0');
}
