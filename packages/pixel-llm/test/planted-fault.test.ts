/** A conformance test that cannot fail proves nothing: each op is broken on purpose, subtly, and the table has to notice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createReferenceBackend } from '../src/backends/reference/backend.ts';
import { KvPages } from '../src/backends/reference/kv-pages.ts';
import { type AttributesOf, type OpCall, type OpTable, REFERENCE_OPS } from '../src/backends/reference/op-table.ts';
import type { OpName } from '../src/program/program.ts';
import { conformanceCases } from './conformance.ts';
import { relativeDifference } from './conformance-case.ts';

/** The loosest tolerance a device is given; a fault below it would not be a fault. */
const LOOSEST = 1e-3;

type Faults = { readonly [Name in OpName]: Readonly<Record<string, Compute<Name>>> };

type Compute<Name extends OpName> = (call: OpCall<AttributesOf<Name>>) => Float32Array | Int32Array;

/** The right op, with other attributes. */
function withAttributes<Name extends OpName>(
  name: Name,
  change: (attributes: AttributesOf<Name>) => Partial<AttributesOf<Name>>,
): Compute<Name> {
  // TypeScript cannot follow a union through a lookup.
  const right = REFERENCE_OPS[name] as Compute<Name>;
  return (call) => {
    const attributes = { ...call.attributes, ...change(call.attributes) } as AttributesOf<Name>;
    return right({ ...call, attributes });
  };
}

const swapped = <Items>([first, second, ...rest]: readonly Items[]): Items[] => [second!, first!, ...rest];

const FAULTS: Faults = {
  embed: {
    'takes the next row': (call) =>
      REFERENCE_OPS.embed({ ...call, integers: [call.integers[0]!.map((id) => Math.max(0, id - 1))] }),
  },
  takeRows: {
    'takes the first rows': (call) =>
      REFERENCE_OPS.takeRows({
        ...call,
        batch: { ...call.batch, outputEntries: call.batch.outputEntries.map((_, i) => i) },
      }),
  },
  rmsNorm: {
    'forgets epsilon': withAttributes('rmsNorm', () => ({ epsilon: 0 })),
    'forgets the gain': (call) => REFERENCE_OPS.rmsNorm({ ...call, weights: [call.weights[0]!.map(() => 1)] }),
    'normalizes the row instead of the head': (call) => {
      const width = call.inputWidth;
      const gain = Float32Array.from({ length: width }, (_, i) => call.weights[0]![i % call.attributes.size]!);
      return REFERENCE_OPS.rmsNorm({ ...call, weights: [gain], attributes: { ...call.attributes, size: width } });
    },
  },
  layerNorm: {
    'forgets epsilon': withAttributes('layerNorm', () => ({ epsilon: 0 })),
    'forgets the bias': (call) =>
      REFERENCE_OPS.layerNorm({ ...call, weights: [call.weights[0]!, call.weights[1]!.map(() => 0)] }),
    'forgets the mean': (call) =>
      REFERENCE_OPS.rmsNorm(call).map(
        (value, i) => (value as number) + call.weights[1]![i % call.attributes.size]!,
      ) as Float32Array,
  },
  matmul: {
    'forgets the bias': (call) => REFERENCE_OPS.matmul({ ...call, weights: [call.weights[0]!] }),
    'forgets the last column': (call) =>
      REFERENCE_OPS.matmul({
        ...call,
        floats: [call.floats[0]!.map((value, i) => ((i + 1) % call.inputWidth === 0 ? 0 : value))],
      }),
    'never rounds activations': withAttributes('matmul', () => ({ activations: 'f32' })),
    'always rounds activations': withAttributes('matmul', () => ({ activations: 'q8' })),
  },
  rope: {
    'pairs the other way': withAttributes('rope', ({ pairing }) => ({
      pairing: pairing === 'halves' ? 'adjacent' : 'halves',
    })),
    'forgets the linear factor': withAttributes('rope', () => ({ linearFactor: 1 })),
    'forgets the frequency factors': (call) => REFERENCE_OPS.rope({ ...call, weights: [] }),
    'is one position late': (call) =>
      REFERENCE_OPS.rope({ ...call, integers: [call.integers[0]!.map((position) => position + 1)] }),
    'forgets the ramp of yarn': withAttributes('rope', ({ yarn }) =>
      yarn ? { yarn: { ...yarn, betaFast: yarn.betaFast / 4 } } : {},
    ),
  },
  attention: {
    'sees one position too many': withAttributes('attention', ({ window }) => (window ? { window: window + 1 } : {})),
    'forgets the soft cap': (call) => {
      const { softcap: _, ...attributes } = call.attributes;
      return REFERENCE_OPS.attention({ ...call, attributes });
    },
    'forgets the scale': withAttributes('attention', () => ({ scale: 1 })),
    'swaps keys and values': (call) =>
      REFERENCE_OPS.attention({ ...call, floats: [call.floats[0]!, ...swapped(call.floats.slice(1))] }),
    'reads pages in order': (call) =>
      REFERENCE_OPS.attention({
        ...call,
        batch: { ...call.batch, pages: call.batch.pages.map((pages) => pages.map((_, i) => i)) },
      }),
    'forgets what earlier batches stored': (call) => {
      const { keys, pageTokens, width } = call.cacheOf('kv');
      const cache = new KvPages(keys.length / pageTokens / width, pageTokens, width);
      return REFERENCE_OPS.attention({ ...call, cacheOf: () => cache });
    },
  },
  silu: { 'is gelu': REFERENCE_OPS.gelu },
  gelu: { 'is silu': REFERENCE_OPS.silu },
  gatedSilu: { 'gates the wrong side': (call) => REFERENCE_OPS.gatedSilu({ ...call, floats: swapped(call.floats) }) },
  gatedGelu: { 'gates the wrong side': (call) => REFERENCE_OPS.gatedGelu({ ...call, floats: swapped(call.floats) }) },
  add: { multiplies: REFERENCE_OPS.mul },
  mul: { adds: REFERENCE_OPS.add },
  scale: { 'forgets the sign': withAttributes('scale', ({ factor }) => ({ factor: -factor })) },
  softmax: {
    'runs over all rows at once': (call) => REFERENCE_OPS.softmax({ ...call, inputWidth: call.floats[0]!.length }),
  },
  sample: {
    'is always greedy': resampled(() => ({ temperature: 0 })),
    'forgets the temperature': resampled(({ temperature }) => ({ temperature: temperature && 1 })),
    'forgets the bias': resampled(() => ({ bias: [] })),
    'forgets the repeat penalty': resampled(() => ({ repeatPenalty: 1 })),
    'forgets the frequency penalty': resampled(() => ({ frequencyPenalty: 0 })),
    'forgets the presence penalty': resampled(() => ({ presencePenalty: 0 })),
    'forgets top-k': resampled(() => ({ topK: 0 })),
    'forgets top-p': resampled(() => ({ topP: 1 })),
    'forgets min-p': resampled(() => ({ minP: 0 })),
    'draws for another position': resampled(({ position }) => ({ position: position + 1 })),
    'forgets the upper half of the seed': resampled(({ seed }) => ({ seed: seed % 2 ** 32 })),
    'never looks beyond 256 tokens': resampled(() => ({ wholeVocabulary: false })),
  },
  crossEntropy: {
    'counts what has no target': (call) =>
      REFERENCE_OPS.crossEntropy({ ...call, integers: [call.integers[0]!.map((target) => Math.max(0, target))] }),
  },
};

/** `sample` with other settings. */
function resampled(
  change: (settings: NonNullable<OpCall<unknown>['batch']['sampling']>[number]) => object,
): OpTable['sample'] {
  return (call) => {
    const sampling = call.batch.sampling?.map((settings) => ({ ...settings, ...change(settings) })) ?? [];
    return REFERENCE_OPS.sample({ ...call, batch: { ...call.batch, sampling } });
  };
}

const cases = conformanceCases();

for (const [op, faults] of Object.entries(FAULTS)) {
  test(`the conformance table notices a broken ${op}`, async () => {
    for (const [fault, broken] of Object.entries(faults)) {
      const backend = createReferenceBackend({ ...REFERENCE_OPS, [op]: broken });
      let isNoticed = false;
      for (const candidate of cases) {
        if (candidate.op !== op || isNoticed) continue;
        isNoticed = (await relativeDifference(backend, candidate)) > LOOSEST;
      }
      assert.ok(isNoticed, `${op} that ${fault} passes every case`);
    }
  });
}
