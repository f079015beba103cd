/** The device `reference`: plain TypeScript, on any machine, slow. */
import { PixelError } from '../../core/errors.ts';
import { validateProgram } from '../../program/validate.ts';
import { type Backend, DEFAULT_PAGE_TOKENS } from '../types.ts';
import { ReferenceExecutor } from './executor.ts';
import { loadWeights, weightCount } from './load-weights.ts';
import { type OpTable, REFERENCE_OPS } from './op-table.ts';

const FLOAT_BYTES = 4;

/** A test may pass a table with a broken op, to see that the conformance test notices. */
export function createReferenceBackend(ops: OpTable = REFERENCE_OPS): Backend {
  return {
    device: 'reference',
    description: 'plain TypeScript in float32: exact and slow',
    activations: 'f32',
    estimateBytes: ({ weights, state }, { pageCount, pageTokens }) => {
      const values = weights.reduce((sum, weight) => sum + weightCount(weight), 0);
      const position = state.reduce((sum, { kvHeads, headDim }) => sum + 2 * kvHeads * headDim, 0);
      return FLOAT_BYTES * (values + position * pageCount * pageTokens);
    },
    async load(program, source, { pageCount, pageTokens = DEFAULT_PAGE_TOKENS, signal, onProgress }) {
      for (const [name, value] of Object.entries({ pageCount, pageTokens })) {
        if (Number.isSafeInteger(value) && value >= (name === 'pageCount' ? 0 : 1)) continue;
        throw new PixelError('bad-argument', `${name} is ${value}; it must be a whole number.`);
      }
      const checked = validateProgram(program);
      const weights = await loadWeights(checked, source, { signal, onProgress });
      return new ReferenceExecutor({ program: checked, weights, pageCount, pageTokens, ops });
    },
  };
}
