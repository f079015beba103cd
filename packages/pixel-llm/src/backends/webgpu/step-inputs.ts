/** A batch as the kernels see it: packs entries, page lists, angles, inputs and sampling settings into the arena's regions. */
import type { Dimension, Program } from '../../program/program.ts';
import type { Batch, SamplingSettings } from '../types.ts';
import { CANDIDATES, SETTINGS_WORDS } from './kernels/sample.ts';
import type { Capacity, PassSizes } from './plan.ts';
import { AngleComputer, type AngleTable, angleRegion } from './rope-angles.ts';
import type { StepArena } from './step-arena.ts';

/** Words of a change to a token's logit. */
const CHANGE_WORDS = 4;
/** Below this, dividing by it would leave f32: the same as 0. */
const LEAST_TEMPERATURE = 1e-30;

export class StepInputs {
  readonly #program: Program;
  readonly #arena: StepArena;
  readonly #pageTokens: number;
  readonly #angles = new Map<string, { readonly positions: string; readonly computer: AngleComputer }>();

  constructor(
    program: Program,
    arena: StepArena,
    { tokens, outputs }: Capacity,
    { pageTokens, numbers }: { pageTokens: number; numbers: (weight: string) => Float32Array },
  ) {
    this.#program = program;
    this.#arena = arena;
    this.#pageTokens = pageTokens;
    const bytesOf = (shape: readonly Dimension[]): number =>
      4 *
      shape.reduce<number>((size, one) => size * (one === 'tokens' ? tokens : one === 'outputs' ? outputs : one), 1);
    for (const [region, bytes] of Object.entries({ 'sizes:tokens': 16, 'sizes:outputs': 16, kept: 4 * outputs })) {
      arena.reserve(region, bytes);
    }
    arena.reserve('entries', 16 * tokens);
    arena.reserve('runs', 8 * tokens);
    arena.reserve('pages', 4);
    arena.reserve('settings', 4 * SETTINGS_WORDS * outputs);
    arena.reserve('changes', 4 * CHANGE_WORDS);
    for (const { name, shape } of program.values) {
      if (program.inputs.includes(name)) arena.reserve(`input:${name}`, bytesOf(shape));
    }
    for (const op of program.ops) {
      if (op.op !== 'rope') continue;
      const [factors] = op.weights;
      const table: AngleTable = { positions: op.in[1] ?? '', rope: op.attributes, factors };
      const region = angleRegion(table);
      if (this.#angles.has(region)) continue;
      const computer = new AngleComputer(op.attributes, factors === undefined ? undefined : numbers(factors));
      this.#angles.set(region, { positions: table.positions, computer });
      arena.reserve(region, 8 * tokens * computer.pairs);
    }
  }

  /** Makes room for what has no bound that is known before. */
  reserve({ pages, sampling = [] }: Batch): void {
    this.#arena.reserve('pages', 4 * pages.reduce((sum, own) => sum + own.length, 0));
    const changes = sampling.reduce((sum, { bias, recentTokens }) => sum + bias.length + recentTokens.length, 0);
    this.#arena.reserve('changes', 4 * CHANGE_WORDS * changes);
  }

  /** Writes all regions of a batch, whose `runs` are those of entry-runs.ts. */
  write(batch: Batch, sizes: PassSizes, runs: Uint32Array): void {
    const arena = this.#arena;
    arena.write('sizes:tokens', Uint32Array.of(sizes.tokens, sizes.context, 0, 0));
    arena.write('sizes:outputs', Uint32Array.of(sizes.outputs, sizes.context, 0, 0));
    if (this.#program.state.length > 0) this.#writeEntries(batch);
    arena.write('runs', runs);
    arena.write('kept', batch.outputEntries);
    for (const name of this.#program.inputs) {
      const given = inputOf(batch, name);
      if (given) arena.write(`input:${name}`, given);
    }
    for (const [region, { positions, computer }] of this.#angles) {
      const given = inputOf(batch, positions);
      if (given instanceof Int32Array) arena.write(region, computer.table(given));
    }
    if (batch.sampling) this.#writeSampling(batch.sampling, batch.sampleSlots);
  }

  #writeEntries({ sequences, positions, pages }: Batch): void {
    const starts: number[] = [];
    let next = 0;
    for (const own of pages) {
      starts.push(next);
      next += own.length;
    }
    this.#arena.write('pages', Uint32Array.from(pages.flat()));
    const entries = new Uint32Array(4 * positions.length);
    positions.forEach((position, entry) => {
      const sequence = sequences[entry]!;
      const page = pages[sequence]![Math.floor(position / this.#pageTokens)]!;
      const place = page * this.#pageTokens + (position % this.#pageTokens);
      entries.set([position, starts[sequence]!, place, sequence], 4 * entry);
    });
    this.#arena.write('entries', entries);
  }

  #writeSampling(sampling: readonly SamplingSettings[], slots: Int32Array | undefined): void {
    const words = new Uint32Array(SETTINGS_WORDS * sampling.length);
    const changes: number[] = [];
    for (const [row, settings] of sampling.entries()) {
      const own = changesOf(settings);
      words.set(
        settingsWords(settings, changes.length / CHANGE_WORDS, own.length / CHANGE_WORDS, slots?.[row]),
        SETTINGS_WORDS * row,
      );
      changes.push(...own);
    }
    this.#arena.write('settings', words);
    this.#arena.write('changes', Uint32Array.from(changes));
  }
}

function inputOf({ inputs, positions }: Batch, name: string): Float32Array | Int32Array | undefined {
  return name === 'positions' ? positions : inputs[name];
}

/** As SETTINGS_WGSL of kernels/sample.ts. */
function settingsWords(settings: SamplingSettings, firstChange: number, changes: number, slot = -1): Uint32Array {
  const { temperature, topK, topP, minP, seed, position, topLogprobs } = settings;
  const { repeatPenalty, frequencyPenalty, presencePenalty } = settings;
  const words = new Uint32Array(SETTINGS_WORDS);
  const floats = new Float32Array(words.buffer);
  words[0] = Number(temperature < LEAST_TEMPERATURE);
  floats[1] = temperature;
  words[2] = Math.min(topK, CANDIDATES);
  floats[3] = topP;
  floats[4] = minP;
  words[5] = seed % 2 ** 32;
  words[6] = Math.floor(seed / 2 ** 32);
  words[7] = position;
  words[8] = firstChange;
  words[9] = changes;
  words[10] = topLogprobs;
  words[11] = slot;
  floats.set([repeatPenalty, frequencyPenalty, presencePenalty], 12);
  return words;
}

/** One change for each token that bias or penalties touch. */
function changesOf({
  bias,
  recentTokens,
  repeatPenalty,
  frequencyPenalty,
  presencePenalty,
}: SamplingSettings): number[] {
  const touched = new Map<number, { bias: number; count: number }>();
  const of = (token: number) => {
    const known = touched.get(token) ?? { bias: 0, count: 0 };
    touched.set(token, known);
    return known;
  };
  for (const [token, amount] of bias) of(token).bias += amount;
  const penalizes = repeatPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0;
  if (penalizes) for (const token of recentTokens) of(token).count++;
  const floats = new Float32Array(1);
  const bits = new Uint32Array(floats.buffer);
  return [...touched].flatMap(([token, change]) => {
    const isForbidden = change.bias === -Infinity;
    floats[0] = isForbidden ? 0 : change.bias;
    return [token, bits[0]!, Number(isForbidden), change.count];
  });
}
