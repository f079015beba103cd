/**
 * The exports of the module that trains. It stands apart from kernels.ts because all kernels of a module are optimized when it is compiled: who
 * only runs a model should not wait for these.
 */
export { probeDot } from './dot';
export { add, gatedGelu, gatedSilu, gelu, mul, scale, silu } from './elementwise';
export { gemm, gemmScratchBytes } from './gemm';
export * from './gradients';
export { layerNorm, rmsNorm, softmax } from './norms';
export { rope } from './rope';
export { attendSequence, attendSequenceGradient, attentionScratchBytes } from './self-attention';
