/** What the indices of the table-driven 4-bit types stand for. Source: ggml-common.h. */

/** IQ4_NL and IQ4_XS: levels close to the quantiles of a normal distribution. */
export const IQ4_LEVELS: Int8Array<ArrayBuffer> = Int8Array.of(
  ...[-127, -104, -83, -65, -49, -35, -22, -10],
  ...[1, 13, 25, 38, 53, 69, 89, 113],
);

/** MXFP4: twice the 4-bit floats E2M1, so that they are integers; index 8 (minus zero) is 0. */
export const MXFP4_LEVELS: Int8Array<ArrayBuffer> = Int8Array.of(
  ...[0, 1, 2, 3, 4, 6, 8, 12],
  ...[0, -1, -2, -3, -4, -6, -8, -12],
);
