/** Tables for the terminal and for Markdown. */
import { cleanLine, shorten } from '../core/clean-text.ts';

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
  readonly right?: boolean;
  /** May be cut when the table is too wide; at most one column. */
  readonly flexible?: boolean;
}

/** Columns two spaces apart; the flexible one gives way to `width`. */
export function formatTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width?: number): string {
  const cells = rows.map((row) => columns.map((column) => cleanLine(column.value(row))));
  const widths = columns.map(({ title }, index) =>
    Math.max(title.length, ...cells.map((line) => [...(line[index] ?? '')].length)),
  );
  const total = widths.reduce((sum, value) => sum + value + 2, -2);
  const flexible = columns.findIndex((column) => column.flexible);
  if (width !== undefined && total > width && flexible >= 0) {
    widths[flexible] = Math.max(8, (widths[flexible] ?? 0) - (total - width));
  }
  const line = (values: readonly string[]): string =>
    values
      .map((value, index) => {
        const most = widths[index] ?? 0;
        const text = index === flexible ? shorten(value, most) : value;
        const padding = ' '.repeat(Math.max(0, most - [...text].length));
        return columns[index]?.right ? padding + text : text + padding;
      })
      .join('  ')
      .trimEnd();
  return [line(columns.map(({ title }) => title)), ...cells.map(line)].join('\n');
}

/** The same as a Markdown table. */
export function markdownTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const line = (values: readonly string[]): string => `| ${values.join(' | ')} |`;
  const escaped = (text: string): string => cleanLine(text).replaceAll('|', '\\|');
  return [
    line(columns.map(({ title }) => title)),
    line(columns.map(({ right }) => (right ? '---:' : '---'))),
    ...rows.map((row) => line(columns.map((column) => escaped(column.value(row))))),
  ].join('\n');
}
