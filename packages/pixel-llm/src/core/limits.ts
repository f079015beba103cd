/**
 * Named safety limits on what an untrusted file may declare, each with the threat it answers.
 * A parser checks a declared number against its limit before it allocates or loops.
 */
export const LIMITS = {
  /** GGUF: number of tensors. A hostile count must not make us loop for hours. Real models have a few thousand. */
  tensors: 131_072,
  /** GGUF: number of metadata entries. */
  metadataEntries: 65_536,
  /** GGUF: bytes of one string. Chat templates reach some 100 kB. */
  stringBytes: 67_108_864,
  /** GGUF: elements of one metadata array. Vocabularies reach about 300 k, merges about 500 k. */
  arrayElements: 16_777_216,
  /** GGUF: depth of arrays in arrays. */
  arrayNesting: 4,
  /** GGUF: bytes of a tensor's or key's name. */
  nameBytes: 65_536,
  /** GGUF: bytes from the file's start to its first tensor: what reading a head may allocate. */
  headBytes: 1_073_741_824,
  /** GGUF: bytes of one tensor, and weights of one dimension: 2^46 keeps every product and sum an exact integer. */
  tensorBytes: 70_368_744_177_664,
  /** GGUF: general.alignment. Files use 32; a huge one would make a writer pad without end. */
  alignment: 16_777_216,
  /** PNG: pixels a side that a reader accepts. */
  pictureSide: 16_777_216,
  /** PNG: bytes of one ancillary chunk that a reader looks into. */
  ancillaryChunkBytes: 1_048_576,
  /** PXI: bytes of the manifest JSON. */
  manifestBytes: 134_217_728,
  /** PXI: files of one set. */
  setFiles: 99_999,
} as const;
