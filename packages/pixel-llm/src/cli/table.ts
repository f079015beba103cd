/** Tables of text, as the pages of `inspect` and `diff` hold them. */

/** The rows as lines, their columns as wide as their widest cell; `numeric` ones stand at the right of theirs. */
export function tableLines(rows: readonly (readonly string[])[], numeric: ReadonlySet<number>): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    rows.reduce((most, row) => Math.max(most, row[column]?.length ?? 0), 0),
  );
  return rows.map((row) => {
    const cells = row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return numeric.has(column) ? cell.padStart(width) : cell.padEnd(width);
    });
    return `  ${cells.join('  ')}`;
  });
}

/** "1 layer", "22 layers". */
export function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}
