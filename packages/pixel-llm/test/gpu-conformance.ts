/** The conformance table on a GPU, for one driver after another: each has a test file of its own, as drivers are chosen once a process. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createGpuBackend, type GpuOptions } from '../src/backends/webgpu/backend.ts';
import { testDevice } from '../src/backends/webgpu/testing.ts';
import type { OpName } from '../src/program/program.ts';
import { conformanceCases } from './conformance.ts';
import { relativeDifference } from './conformance-case.ts';
import { withHalfCache } from './conformance-rounded-cache.ts';

/** Sums in f32. */
const TOLERANCE = 3e-6;

export interface GpuVariant extends GpuOptions {
  readonly name: string;
  /** Default: all. */
  readonly ops?: readonly OpName[];
  /** Of an op's cases, every so many-th (with PIXEL_FULL all): each is a kernel of its own, and some drivers compile one for seconds. */
  readonly steps?: Readonly<Partial<Record<OpName, number>>>;
}

const exhaustive = process.env.PIXEL_FULL === '1';
const cases = conformanceCases({ exhaustive });

/** One test an op and variant. */
export function testGpuConformance(driver: string, variants: readonly GpuVariant[]): void {
  for (const { name, ops, steps = {}, ...options } of variants) {
    for (const op of ops ?? new Set(cases.map((candidate) => candidate.op))) {
      test(`gpu (${driver}, ${name}) computes ${op} as its formula says, in every shape and type`, async (context) => {
        const device = await testDevice(context, options.restrictions);
        if (!device) return;
        const backend = await createGpuBackend({ ...options, device });
        for (const [index, candidate] of cases.filter((other) => other.op === op).entries()) {
          if (!exhaustive && index % (steps[op] ?? 1) !== 0) continue;
          const given = options.cacheType === 'f32' ? candidate : await withHalfCache(candidate);
          const difference = await relativeDifference(backend, given);
          assert.ok(difference <= TOLERANCE, `${candidate.title}: relative difference ${difference}`);
        }
      });
    }
  }
}
