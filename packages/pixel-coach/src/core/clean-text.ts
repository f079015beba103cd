/** Text out of models, files and commands on its way to a terminal: no control sequence may reach it. */
import { stripVTControlCharacters } from 'node:util';

/** One line: control characters and line breaks become spaces. */
export function cleanLine(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]+/gu, ' ')
    .trimEnd();
}

/** Several lines; tabs and line breaks stay. */
export function cleanText(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/\r\n/g, '\n')
    .replace(/[^\P{Cc}\n\t]+|[\u202a-\u202e\u2066-\u2069]+/gu, ' ');
}

/** At most so many characters, with an ellipsis where something is missing. */
export function shorten(text: string, characters: number): string {
  const letters = [...text];
  return letters.length <= characters ? text : `${letters.slice(0, Math.max(0, characters - 1)).join('')}…`;
}
