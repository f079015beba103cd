/** Text out of files as a terminal may have it: names and metadata can hold control sequences that it would obey. */

/** Without characters that would move a terminal's cursor, colour its text or turn its direction, and at most so many characters long. */
export function printable(text: string, most: number = Number.POSITIVE_INFINITY): string {
  const harmless = text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd');
  return harmless.length <= most ? harmless : `${harmless.slice(0, most - 2)}..`;
}
