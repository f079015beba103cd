/** The module's exports. Pointers are byte addresses; the first 64 bytes of memory are the kernels' own scratch. */
export { probeWideDot } from './dot';
export { packBF16, packF16, packF32, productBF16, productF16, productF32, rowBF16, rowF16, rowF32 } from './floats';
export * from './pack';
export * from './products';
export { quantizeRows, roundRows } from './quantize';
