/** A curve of losses in characters: four rows and two columns of dots to a cell (the Braille patterns of Unicode). */

/** `rows` lines of at most `columns` characters, the axis's numbers included. Later losses stand further right. */
export function lossCurve(losses: readonly number[], columns: number, rows: number): string[] {
  const AXIS = 8;
  const dots = Math.max(2, 2 * (columns - AXIS));
  const means = resample(losses, Math.min(dots, losses.length));
  const [least, most] = [Math.min(...means), Math.max(...means)];
  const height = 4 * rows;
  const cells = Array.from({ length: rows }, () => new Uint8Array(Math.ceil(means.length / 2)));
  for (const [x, loss] of means.entries()) {
    const share = most > least ? (most - loss) / (most - least) : 0.5;
    const y = Math.min(height - 1, Math.floor(share * height));
    const row = cells[Math.floor(y / 4)]!;
    row[Math.floor(x / 2)]! |= DOTS[x % 2]![y % 4]!;
  }
  return cells.map((row, index) => {
    const number = index === 0 ? most.toFixed(3) : index === rows - 1 ? least.toFixed(3) : '';
    return `${number.padStart(AXIS - 1)} ${Array.from(row, (bits) => String.fromCharCode(0x2800 + bits)).join('')}`;
  });
}

/** The bit of each dot of a cell, by column and row. */
const DOTS = [
  [0x01, 0x02, 0x04, 0x40],
  [0x08, 0x10, 0x20, 0x80],
] as const;

/** Means of equal stretches. */
function resample(values: readonly number[], count: number): number[] {
  return Array.from({ length: count }, (_, i) => {
    const [from, to] = [Math.floor((i * values.length) / count), Math.ceil(((i + 1) * values.length) / count)];
    const part = values.slice(from, to);
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
}
