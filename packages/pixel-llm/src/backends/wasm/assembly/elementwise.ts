/**
 * Ops on values one by one. Buffers are padded to four values, so the last vector may reach past the end: what it computes there
 * is never read.
 */
import { multiplyAdd } from './dot';
import { exponential, hyperbolicTangent } from './exponential';

export function add(a: usize, b: usize, count: i32, out: usize): void {
  for (let end = a + 4 * <usize>count; a < end; a += 16, b += 16, out += 16) {
    v128.store(out, f32x4.add(v128.load(a), v128.load(b)));
  }
}

export function mul(a: usize, b: usize, count: i32, out: usize): void {
  for (let end = a + 4 * <usize>count; a < end; a += 16, b += 16, out += 16) {
    v128.store(out, f32x4.mul(v128.load(a), v128.load(b)));
  }
}

export function scale(x: usize, factor: f32, count: i32, out: usize): void {
  for (let end = x + 4 * <usize>count; x < end; x += 16, out += 16) {
    v128.store(out, f32x4.mul(v128.load(x), f32x4.splat(factor)));
  }
}

export function silu(x: usize, count: i32, out: usize): void {
  for (let end = x + 4 * <usize>count; x < end; x += 16, out += 16) v128.store(out, siluOf(v128.load(x)));
}

export function gelu(x: usize, count: i32, out: usize): void {
  for (let end = x + 4 * <usize>count; x < end; x += 16, out += 16) v128.store(out, geluOf(v128.load(x)));
}

export function gatedSilu(gate: usize, up: usize, count: i32, out: usize): void {
  for (let end = gate + 4 * <usize>count; gate < end; gate += 16, up += 16, out += 16) {
    v128.store(out, f32x4.mul(siluOf(v128.load(gate)), v128.load(up)));
  }
}

export function gatedGelu(gate: usize, up: usize, count: i32, out: usize): void {
  for (let end = gate + 4 * <usize>count; gate < end; gate += 16, up += 16, out += 16) {
    v128.store(out, f32x4.mul(geluOf(v128.load(gate)), v128.load(up)));
  }
}

@inline
function siluOf(x: v128): v128 {
  return f32x4.div(x, f32x4.add(f32x4.splat(1), exponential(f32x4.neg(x))));
}

@inline
function geluOf(x: v128): v128 {
  const cube = f32x4.mul(f32x4.mul(x, x), x);
  const inner = f32x4.mul(multiplyAdd(cube, f32x4.splat(0.044715), x), f32x4.splat(0.7978845608028654));
  return f32x4.mul(f32x4.mul(x, f32x4.splat(0.5)), f32x4.add(f32x4.splat(1), hyperbolicTangent(inner)));
}
