/** From a plan's ops to dispatches: which kernels an op takes for so many rows, and where each of their bindings lies. */
import { PixelError } from '../../core/errors.ts';
import type { Op, Program } from '../../program/program.ts';
import type { Dispatch, Leading, Place, RowsClass, StageContext } from './dispatch.ts';
import { attentionKernel, partialBytes } from './kernels/attention.ts';
import { attentionReduceKernel } from './kernels/attention-reduce.ts';
import { elementwiseKernel } from './kernels/elementwise.ts';
import { embedKernel } from './kernels/embed.ts';
import type { Kernel } from './kernels/kernel.ts';
import { kvAppendKernel } from './kernels/kv-append.ts';
import { normKernel } from './kernels/norm.ts';
import { promptAttentionKernel } from './kernels/prompt-attention.ts';
import { ropeKernel } from './kernels/rope.ts';
import { ropeAppendKernel } from './kernels/rope-append.ts';
import { sampleKernel } from './kernels/sample.ts';
import { crossEntropyKernel, softmaxKernel } from './kernels/softmax.ts';
import { takeRowsKernel } from './kernels/take-rows.ts';
import { type AppendOp, type AttendOp, outOf, type PlanOp, type RopeAppendOp } from './plan-ops.ts';
import { productDispatches, productTemps } from './product-stages.ts';
import { angleRegion } from './rope-angles.ts';

interface Temp {
  /** Values a row. */
  readonly width: number;
  /** Default: as many as a pass takes. */
  readonly rows?: number;
}

/** Rows for which the cache is split. */
const SPLIT_ROWS = 8;

export interface Stage {
  readonly op: PlanOp;
  /** The value that is complete after it. */
  readonly out: string | undefined;
  /** What its rows are. */
  readonly leading: Leading;
  /** Bytes of values that live only within it, so many rows of them, or as many as there may be. */
  readonly temps: ReadonlyMap<string, Temp>;
  dispatches(size: RowsClass): readonly Dispatch[];
}

export function stageOf(op: PlanOp, context: StageContext): Stage {
  const out = outOf(op);
  const leading = op.kind === 'append' ? 'tokens' : context.leadingOf(out ?? '');
  return {
    op,
    out,
    leading,
    temps: tempsOf(op, context),
    dispatches: (size) => dispatchesOf(op, leading, size, context),
  };
}

function tempsOf(op: PlanOp, { cache }: StageContext): Map<string, Temp> {
  if (op.kind === 'product') return new Map([...productTemps(op)].map(([name, width]) => [name, { width }]));
  if (op.kind !== 'attend') return new Map();
  const { layout } = cache.state(op.attention.state);
  return new Map([[`${op.out} parts`, { width: partialBytes(op.attention.heads, layout, 1) / 4, rows: SPLIT_ROWS }]]);
}

function dispatchesOf(op: PlanOp, leading: Leading, size: RowsClass, context: StageContext): readonly Dispatch[] {
  switch (op.kind) {
    case 'product':
      return productDispatches(op, size.rows, context).map(({ kernel, places }) => ({
        kernel,
        places: { ...places, ...sizes(leading) },
      }));
    case 'ropeAppend':
      return [ropeAppend(op, context)];
    case 'append':
      return [append(op, context)];
    case 'attend':
      return attend(op, size, context);
    case 'plain':
      return plainDispatches(op.op, leading, context);
  }
}

const sizes = (leading: Leading): Record<string, Place> => ({ sizes: { region: `sizes:${leading}` } });
const value = (name: string | undefined): Place => ({ value: name ?? '' });
const buffer = (found: GPUBuffer): Place => ({ binding: { buffer: found } });

function append({ k, v, state }: AppendOp, { cache, traits }: StageContext): Dispatch {
  const { layout, keys, values } = cache.state(state);
  return {
    kernel: kvAppendKernel(layout, traits),
    places: {
      ...{ k: value(k), v: value(v), entries: { region: 'entries' }, keys: buffer(keys), values: buffer(values) },
      ...sizes('tokens'),
    },
  };
}

function attend(
  { out, q, attention }: AttendOp,
  { rows, isLong, isPrompt }: RowsClass,
  { cache, traits }: StageContext,
): Dispatch[] {
  const { layout, keys, values } = cache.state(attention.state);
  const isSplit = isLong && rows <= SPLIT_ROWS;
  const { heads, scale, window, softcap } = attention;
  const spec = {
    ...{ heads, scale, layout },
    ...(window === undefined ? {} : { window }),
    ...(softcap === undefined ? {} : { softcap }),
  };
  const parts = value(`${out} parts`);
  const attended: Dispatch = {
    kernel: (isPrompt && promptAttentionKernel(spec, traits)) || attentionKernel({ ...spec, isSplit }, traits),
    places: {
      ...{ q: value(q), keys: buffer(keys), values: buffer(values), out: value(out), partial: parts },
      ...{ entries: { region: 'entries' }, pages: { region: 'pages' }, runs: { region: 'runs' }, ...sizes('tokens') },
    },
  };
  if (!isSplit) return [attended];
  const kernel = attentionReduceKernel(heads, layout, traits);
  return [attended, { kernel, places: { partial: parts, out: value(out), ...sizes('tokens') } }];
}

function ropeAppend(op: RopeAppendOp, { cache, weights, traits }: StageContext): Dispatch {
  const { attention, rope, qNorm, kNorm } = op;
  const { layout, keys, values } = cache.state(attention.state);
  const { heads } = attention;
  const { rotaryDim, pairing } = rope;
  return {
    kernel: ropeAppendKernel(
      {
        ...{ heads, rotaryDim, pairing, layout },
        ...(qNorm ? { qNorm: qNorm.epsilon } : {}),
        ...(kNorm ? { kNorm: kNorm.epsilon } : {}),
      },
      traits,
    ),
    places: {
      ...{
        qkv: value(op.qkv),
        angles: { region: angleRegion(op) },
        entries: { region: 'entries' },
        out: value(op.out),
      },
      ...{ keys: buffer(keys), values: buffer(values), ...sizes('tokens') },
      ...(qNorm ? { qGain: { binding: weights.vector(qNorm.gain) } } : {}),
      ...(kNorm ? { kGain: { binding: weights.vector(kNorm.gain) } } : {}),
    },
  };
}

function plainDispatches(
  op: Exclude<Op, { op: 'matmul' | 'attention' }>,
  leading: Leading,
  { traits, weights, widthOf, program }: StageContext,
): readonly Dispatch[] {
  const [a = '', b = ''] = op.in;
  const [first = '', second = ''] = op.weights;
  const width = widthOf(op.op === 'crossEntropy' ? a : op.out);
  const one = (kernel: Kernel, places: Readonly<Record<string, Place>>): Dispatch[] => [
    { kernel, places: { out: value(op.out), ...sizes(leading), ...places } },
  ];
  switch (op.op) {
    case 'embed': {
      const { type, parts } = weights.matrix(first);
      return parts.flatMap(({ firstRow, rows, planes }) =>
        one(embedKernel({ type, width, firstRow, rows }, traits), {
          ...{ ids: value(a), carried: { region: 'carried' } },
          ...Object.fromEntries([...planes].map(([plane, binding]) => [`table.${plane}`, { binding }])),
        }),
      );
    }
    case 'takeRows':
      return one(takeRowsKernel({ width }, traits), { x: value(a), kept: { region: 'kept' } });
    case 'rmsNorm':
    case 'layerNorm':
      return one(normKernel({ op: op.op, width, ...op.attributes }, traits), {
        ...{ x: value(a), gain: { binding: weights.vector(first) } },
        ...(op.op === 'layerNorm' ? { bias: { binding: weights.vector(second) } } : {}),
      });
    case 'rope': {
      const { rotaryDim, headDim, pairing } = op.attributes;
      const region = angleRegion({ positions: b, rope: op.attributes, factors: op.weights[0] });
      return one(ropeKernel({ width, rotaryDim, headDim, pairing }, traits), { x: value(a), angles: { region } });
    }
    case 'silu':
    case 'gelu':
    case 'scale':
      return one(elementwiseKernel({ op: op.op, width, ...op.attributes }, traits), { a: value(a) });
    case 'add':
    case 'mul':
    case 'gatedSilu':
    case 'gatedGelu':
      // The same value twice may be bound twice, as both are only read.
      return one(elementwiseKernel({ op: op.op, width }, traits), { a: value(a), b: value(b) });
    case 'softmax':
      return one(softmaxKernel({ width }, traits), { x: value(a) });
    case 'crossEntropy':
      return one(crossEntropyKernel({ width }, traits), { x: value(a), targets: value(b) });
    case 'sample':
      return one(sampleKernel({ vocab: program.vocab }, traits), {
        logits: value(a),
        ...Object.fromEntries(
          ['settings', 'changes', 'adjusted', 'results', 'tops', 'carried'].map((region) => [region, { region }]),
        ),
      });
  }
}

/** Values have one row an entry or one an output. Throws `bad-program`. */
export function leadingOf({ values }: Program, name: string): Leading {
  const leading = values.find((candidate) => candidate.name === name)?.shape[0];
  if (leading === 'tokens' || leading === 'outputs') return leading;
  throw new PixelError(
    'bad-program',
    `The device "gpu" runs values with one row a token or output; "${name}" has ${leading} rows.`,
  );
}
