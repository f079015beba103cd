/** The indices of the largest values, largest first; equal values in ascending order of index. What top-k and top log-probabilities stand on. */

/** At most `count` indices. Values may be -Infinity, never NaN. */
export function likeliest(values: Float32Array | Float64Array, count: number): number[] {
  const isBetter = (a: number, b: number): boolean => values[a]! > values[b]! || (values[a] === values[b] && a < b);
  if (count >= values.length / 8) {
    return Array.from(values.keys())
      .sort((a, b) => (isBetter(a, b) ? -1 : 1))
      .slice(0, count);
  }
  const best: number[] = [];
  for (let index = 0; index < values.length; index++) {
    if (best.length === count && (count === 0 || !isBetter(index, best[count - 1]!))) continue;
    best.splice(placeOf(index, best, isBetter), 0, index);
    if (best.length > count) best.pop();
  }
  return best;
}

/** Where an index belongs in the sorted list, by halving. */
function placeOf(index: number, best: readonly number[], isBetter: (a: number, b: number) => boolean): number {
  let low = 0;
  let high = best.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBetter(index, best[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
}
