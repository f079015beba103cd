/**
 * Gradients of the ops that work on rows or on single values, and of the loss; backends/reference/gradients/ has the formulas. Buffers
 * are padded to four values, so the last vector may reach past the end where nothing is read.
 */
import { multiplyAdd, storeLanes } from './dot';
import { exponential, hyperbolicTangent, maxLanes, sumLanes } from './exponential';
import { logarithm } from './logarithm';
import { lanesBelow } from './norms';

export function siluGradient(x: usize, d: usize, count: i32, out: usize): void {
  for (let end = x + 4 * <usize>count; x < end; x += 16, d += 16, out += 16) {
    v128.store(out, f32x4.mul(siluSlope(v128.load(x)), v128.load(d)));
  }
}

export function geluGradient(x: usize, d: usize, count: i32, out: usize): void {
  for (let end = x + 4 * <usize>count; x < end; x += 16, d += 16, out += 16) {
    v128.store(out, f32x4.mul(geluSlope(v128.load(x)), v128.load(d)));
  }
}

export function gatedSiluGradient(gate: usize, up: usize, d: usize, count: i32, out: usize): void {
  for (let end = gate + 4 * <usize>count; gate < end; gate += 16, up += 16, d += 16, out += 16) {
    v128.store(out, f32x4.mul(f32x4.mul(siluSlope(v128.load(gate)), v128.load(up)), v128.load(d)));
  }
}

export function gatedGeluGradient(gate: usize, up: usize, d: usize, count: i32, out: usize): void {
  for (let end = gate + 4 * <usize>count; gate < end; gate += 16, up += 16, d += 16, out += 16) {
    v128.store(out, f32x4.mul(f32x4.mul(geluSlope(v128.load(gate)), v128.load(up)), v128.load(d)));
  }
}

@inline
function siluSlope(x: v128): v128 {
  const one = f32x4.splat(1);
  const s = f32x4.div(one, f32x4.add(one, exponential(f32x4.neg(x))));
  return multiplyAdd(f32x4.mul(x, s), f32x4.sub(one, s), s);
}

@inline
function geluSlope(x: v128): v128 {
  const one = f32x4.splat(1);
  const half = f32x4.splat(0.5);
  const root = f32x4.splat(0.7978845608028654);
  const square = f32x4.mul(x, x);
  const inner = f32x4.mul(root, multiplyAdd(f32x4.mul(square, x), f32x4.splat(0.044715), x));
  const t = hyperbolicTangent(inner);
  const steep = f32x4.mul(root, multiplyAdd(square, f32x4.splat(3 * 0.044715), one));
  const rise = f32x4.mul(f32x4.mul(f32x4.mul(half, x), f32x4.sub(one, f32x4.mul(t, t))), steep);
  return multiplyAdd(half, f32x4.add(one, t), rise);
}

/** x, d, out: [groups, size]; gain: [size, padded]. `centred`: 1 for the layer norm, 0 for the RMS norm. */
export function normGradientInput(
  x: usize,
  d: usize,
  groups: i32,
  size: i32,
  gain: usize,
  epsilon: f32,
  centred: i32,
  out: usize,
): void {
  for (let group: i32 = 0; group < groups; group++) {
    const mean: f32 = centred ? sumOf(x, size) / <f32>size : 0;
    const inverse = inverseRoot(x, size, mean, epsilon);
    let gSums = f32x4.splat(0);
    let along = f32x4.splat(0);
    for (let i: i32 = 0; i < size; i += 4) {
      const at: usize = 4 * <usize>i;
      const mask = lanesBelow(size - i);
      const g = v128.and(f32x4.mul(v128.load(d + at), v128.load(gain + at)), mask);
      gSums = f32x4.add(gSums, g);
      along = f32x4.add(along, v128.and(f32x4.mul(g, normalized(x + at, mean, inverse)), mask));
    }
    const gMean = f32x4.splat(centred ? sumLanes(gSums) / <f32>size : 0);
    const alongMean = f32x4.splat(sumLanes(along) / <f32>size);
    for (let i: i32 = 0; i < size; i += 4) {
      const at: usize = 4 * <usize>i;
      const g = f32x4.sub(f32x4.mul(v128.load(d + at), v128.load(gain + at)), gMean);
      const value = f32x4.sub(g, f32x4.mul(normalized(x + at, mean, inverse), alongMean));
      storeLanes(out + at, f32x4.mul(value, f32x4.splat(inverse)), size - i);
    }
    x += 4 * <usize>size;
    d += 4 * <usize>size;
    out += 4 * <usize>size;
  }
}

/** out: [size, padded] */
export function normGradientGain(
  x: usize,
  d: usize,
  groups: i32,
  size: i32,
  epsilon: f32,
  centred: i32,
  out: usize,
): void {
  memory.fill(out, 0, 4 * <usize>size);
  for (let group: i32 = 0; group < groups; group++) {
    const mean: f32 = centred ? sumOf(x, size) / <f32>size : 0;
    const inverse = inverseRoot(x, size, mean, epsilon);
    for (let i: i32 = 0; i < size; i += 4) {
      const at: usize = 4 * <usize>i;
      const value = multiplyAdd(normalized(x + at, mean, inverse), v128.load(d + at), v128.load(out + at));
      storeLanes(out + at, value, size - i);
    }
    x += 4 * <usize>size;
    d += 4 * <usize>size;
  }
}

@inline
function normalized(x: usize, mean: f32, inverse: f32): v128 {
  return f32x4.mul(f32x4.sub(v128.load(x), f32x4.splat(mean)), f32x4.splat(inverse));
}

function sumOf(x: usize, size: i32): f32 {
  let sums = f32x4.splat(0);
  for (let i: i32 = 0; i < size; i += 4) {
    sums = f32x4.add(sums, v128.and(v128.load(x + 4 * <usize>i), lanesBelow(size - i)));
  }
  return sumLanes(sums);
}

function inverseRoot(x: usize, size: i32, mean: f32, epsilon: f32): f32 {
  let sums = f32x4.splat(0);
  for (let i: i32 = 0; i < size; i += 4) {
    const value = f32x4.sub(v128.load(x + 4 * <usize>i), f32x4.splat(mean));
    sums = f32x4.add(sums, v128.and(f32x4.mul(value, value), lanesBelow(size - i)));
  }
  return 1 / sqrt(sumLanes(sums) / <f32>size + epsilon);
}

/** d: [rows, size] -> out [size, padded]: the sum of all rows */
export function sumRows(d: usize, rows: i32, size: i32, out: usize): void {
  memory.fill(out, 0, 4 * <usize>size);
  for (let row: i32 = 0; row < rows; row++) {
    for (let i: i32 = 0; i < size; i += 4) {
      const at: usize = 4 * <usize>i;
      storeLanes(out + at, f32x4.add(v128.load(out + at), v128.load(d + at)), size - i);
    }
    d += 4 * <usize>size;
  }
}

/** y, d, out: [rows, size] */
export function softmaxGradient(y: usize, d: usize, rows: i32, size: i32, out: usize): void {
  for (let row: i32 = 0; row < rows; row++) {
    let sums = f32x4.splat(0);
    for (let i: i32 = 0; i < size; i += 4) {
      const at: usize = 4 * <usize>i;
      sums = f32x4.add(sums, v128.and(f32x4.mul(v128.load(y + at), v128.load(d + at)), lanesBelow(size - i)));
    }
    const along = f32x4.splat(sumLanes(sums));
    for (let i: i32 = 0; i < size; i += 4) {
      const at: usize = 4 * <usize>i;
      storeLanes(out + at, f32x4.mul(v128.load(y + at), f32x4.sub(v128.load(d + at), along)), size - i);
    }
    y += 4 * <usize>size;
    d += 4 * <usize>size;
    out += 4 * <usize>size;
  }
}

/** x: [rows, size] -> out [rows, count], from the address of the first column taken on */
export function takeColumns(x: usize, rows: i32, size: i32, count: i32, out: usize): void {
  for (let row: i32 = 0; row < rows; row++) {
    memory.copy(out, x, 4 * <usize>count);
    x += 4 * <usize>size;
    out += 4 * <usize>count;
  }
}

/** ids: [rows] i32, table: [vocab, dim] -> out [rows, dim]. Returns 0 at an id outside the table. */
export function takeTableRows(ids: usize, rows: i32, table: usize, vocab: i32, dim: i32, out: usize): i32 {
  for (let row: i32 = 0; row < rows; row++) {
    const id = load<i32>(ids + 4 * <usize>row);
    if (<u32>id >= <u32>vocab) return 0;
    memory.copy(out + 4 * <usize>dim * <usize>row, table + 4 * <usize>dim * <usize>id, 4 * <usize>dim);
  }
  return 1;
}

/** ids: [rows] i32, d: [rows, dim] -> out [vocab, dim] */
export function embedGradient(ids: usize, d: usize, rows: i32, vocab: i32, dim: i32, out: usize): void {
  memory.fill(out, 0, 4 * <usize>vocab * <usize>dim);
  for (let row: i32 = 0; row < rows; row++) {
    const to = out + 4 * <usize>dim * <usize>load<i32>(ids + 4 * <usize>row);
    for (let i: i32 = 0; i < dim; i += 4) {
      const at: usize = 4 * <usize>i;
      storeLanes(to + at, f32x4.add(v128.load(to + at), v128.load(d + at)), dim - i);
    }
    d += 4 * <usize>dim;
  }
}

/** logits: [rows, vocab], targets: [rows] i32 (-1 for none) -> out [rows]. Returns 0 at a target outside the vocabulary. */
export function crossEntropy(logits: usize, targets: usize, rows: i32, vocab: i32, out: usize): i32 {
  for (let row: i32 = 0; row < rows; row++) {
    const target = load<i32>(targets + 4 * <usize>row);
    if (target < -1 || target >= vocab) return 0;
    let loss: f32 = 0;
    if (target >= 0) loss = <f32>logSumExp(logits, vocab) - load<f32>(logits + 4 * <usize>target);
    store<f32>(out + 4 * <usize>row, loss);
    logits += 4 * <usize>vocab;
  }
  return 1;
}

/** d: [rows] -> out [rows, vocab] */
export function crossEntropyGradient(
  logits: usize,
  targets: usize,
  d: usize,
  rows: i32,
  vocab: i32,
  out: usize,
): void {
  for (let row: i32 = 0; row < rows; row++) {
    const target = load<i32>(targets + 4 * <usize>row);
    if (target < 0) {
      memory.fill(out, 0, 4 * <usize>vocab);
    } else {
      const weight = load<f32>(d + 4 * <usize>row);
      const total = f32x4.splat(<f32>logSumExp(logits, vocab));
      for (let i: i32 = 0; i < vocab; i += 4) {
        const at: usize = 4 * <usize>i;
        const p = exponential(f32x4.sub(v128.load(logits + at), total));
        storeLanes(out + at, f32x4.mul(p, f32x4.splat(weight)), vocab - i);
      }
      const at = out + 4 * <usize>target;
      store<f32>(at, load<f32>(at) - weight);
    }
    logits += 4 * <usize>vocab;
    out += 4 * <usize>vocab;
  }
}

function logSumExp(x: usize, count: i32): f64 {
  let largest = f32x4.splat(-Infinity);
  for (let i: i32 = 0; i < count; i += 4) {
    const values = v128.bitselect(v128.load(x + 4 * <usize>i), f32x4.splat(-Infinity), lanesBelow(count - i));
    largest = f32x4.max(largest, values);
  }
  const top = maxLanes(largest);
  let sums = f32x4.splat(0);
  for (let i: i32 = 0; i < count; i += 4) {
    const powers = exponential(f32x4.sub(v128.load(x + 4 * <usize>i), f32x4.splat(top)));
    sums = f32x4.add(sums, v128.and(powers, lanesBelow(count - i)));
  }
  return <f64>top + logarithm(<f64>sumLanes(sums));
}

/** Adds the bias [size, padded] to each row of x [rows, size]. */
export function addToRows(x: usize, rows: i32, size: i32, bias: usize): void {
  for (let row: i32 = 0; row < rows; row++) {
    for (let i: i32 = 0; i < size; i += 4) {
      const at: usize = 4 * <usize>i;
      storeLanes(x + at, f32x4.add(v128.load(x + at), v128.load(bias + at)), size - i);
    }
    x += 4 * <usize>size;
  }
}
