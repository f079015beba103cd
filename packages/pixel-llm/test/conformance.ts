/**
 * The conformance table: every op, in awkward shapes, over every weight type, as Programs of one op with what must come out of them.
 * Any backend can be put through it; a new op needs a row here before anyone can run it.
 */
import { attentionCases } from './conformance-attention.ts';
import type { ConformanceCase } from './conformance-case.ts';
import { embedCases, matmulCases } from './conformance-matmul.ts';
import { ropeCases } from './conformance-rope.ts';
import { sampleCases } from './conformance-sample.ts';
import { rowCases, valueCases } from './conformance-values.ts';
import { COMPUTED_TYPES } from './conformance-weights.ts';

/** All cases, or (`exhaustive`) the whole product of shapes for matrix products. */
export function conformanceCases({ exhaustive = false }: { exhaustive?: boolean } = {}): ConformanceCase[] {
  return [
    ...COMPUTED_TYPES.flatMap((type) => embedCases(type.name, type.blockElements)),
    ...COMPUTED_TYPES.flatMap((type) => matmulCases(type.name, type.blockElements, exhaustive)),
    ...rowCases(),
    ...valueCases(),
    ...ropeCases(),
    ...attentionCases(),
    ...sampleCases(),
  ];
}
