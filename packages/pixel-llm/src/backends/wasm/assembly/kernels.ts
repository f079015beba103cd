/** The module's exports. Pointers are byte addresses; the first 256 bytes of memory are the kernels' own scratch. */
export { attendPage, beginHeads, finishHeads } from './attention';
export { probeDot } from './dot';
export { add, gatedGelu, gatedSilu, gelu, mul, scale, silu } from './elementwise';
export { packBF16, packF16, packF32, productBF16, productF16, productF32, rowBF16, rowF16, rowF32 } from './floats';
export { storeKeyValue, storeKeyValueQ8, widenPage, widenPageQ8 } from './kv-pages';
export { layerNorm, rmsNorm, softmax } from './norms';
export * from './pack';
export * from './products';
export { quantizeRows, roundRows } from './quantize';
export { rope } from './rope';
export { addPowers, blockMaxima, indicesFrom } from './sampling';
export * from './tile-products';
export { tileScratch } from './tiles';
