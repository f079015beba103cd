/** Bodies of the functions that the scripted writer of real-day.test.ts knows, written for it; the problems themselves are not here. */
export const SOLUTIONS: Readonly<Record<string, string>> = {
  HumanEval_23_strlen: '  return string.length;',
  HumanEval_89_encrypt:
    "  return [...s].map((c) => (c >= 'a' && c <= 'z' ? String.fromCharCode(((c.charCodeAt(0) - 97 + 4) % 26) + 97) : c)).join('');",
  HumanEval_95_check_dict_case: `  const keys = Object.keys(dict);
  if (keys.length === 0 || keys.some((key) => !/[a-zA-Z]/.test(key))) return false;
  return keys.every((key) => key === key.toLowerCase()) || keys.every((key) => key === key.toUpperCase());`,
  HumanEval_85_add:
    '  return lst.filter((value, index) => index % 2 === 1 && value % 2 === 0).reduce((sum, value) => sum + value, 0);',
  HumanEval_140_fix_spaces: "  return text.replace(/ {3,}/g, '-').replaceAll(' ', '_');",
  HumanEval_63_fibfib: `  let [a, b, c] = [0, 0, 1];
  for (let index = 0; index < n; index++) [a, b, c] = [b, c, a + b + c];
  return a;`,
  HumanEval_151_double_the_difference:
    '  return lst.filter((value) => Number.isInteger(value) && value > 0 && value % 2 === 1).reduce((sum, value) => sum + value * value, 0);',
  HumanEval_22_filter_integers: '  return values.filter((value) => Number.isInteger(value));',
  HumanEval_41_car_race_collision: '  return n * n;',
  HumanEval_17_parse_music: `  const beats: Record<string, number> = { o: 4, 'o|': 2, '.|': 1 };
  return music_string.split(' ').filter((note) => note in beats).map((note) => beats[note] ?? 0);`,
  HumanEval_79_decimal_to_binary: "  return 'db' + decimal.toString(2) + 'db';",
  HumanEval_14_all_prefixes: '  return [...string].map((_, index) => string.slice(0, index + 1));',
  HumanEval_53_add: '  return x + y;',
  HumanEval_159_eat: '  const eaten = Math.min(need, remaining);\n  return [number + eaten, remaining - eaten];',
  HumanEval_115_max_fill:
    '  return grid.reduce((sum, row) => sum + Math.ceil(row.reduce((water, unit) => water + unit, 0) / capacity), 0);',
  HumanEval_160_do_algebra: 'never needed',
  HumanEval_27_flip_case:
    "  return [...string].map((c) => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase())).join('');",
  HumanEval_105_by_length: `  const names = ['One', 'Two', 'Three', 'Four', 'Five', 'Six', 'Seven', 'Eight', 'Nine'];
  return arr.filter((value) => value >= 1 && value <= 9).sort((a, b) => b - a).map((value) => names[value - 1] ?? '');`,
  HumanEval_25_factorize: `  const factors: number[] = [];
  for (let rest = n, divisor = 2; rest > 1; ) {
    if (rest % divisor === 0) {
      factors.push(divisor);
      rest /= divisor;
    } else divisor++;
  }
  return factors;`,
  HumanEval_96_count_up_to: 'never needed',
};
