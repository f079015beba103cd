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
  headBytes: 268_435_456,
  /** GGUF: strings, bools and arrays in all arrays of a head: each becomes an object, which is larger than its bytes. */
  headItems: 4_194_304,
  /** GGUF: bytes of one tensor, and weights of one dimension: 2^46 keeps every product and sum an exact integer. */
  tensorBytes: 70_368_744_177_664,
  /** GGUF: general.alignment. Files use 32; a huge one would make a writer pad without end. */
  alignment: 16_777_216,
  /** Program: layers a model declares; each becomes some 20 ops. Real models have up to about 130. */
  modelLayers: 4096,
  /** Program: ops and values; a model of 130 layers has about 2700. */
  programOps: 262_144,
  /** Program: values that it is given. A model has two; a stretch of one that is checked op by op, all that its ops read. */
  programInputs: 64,
  /** Program: width of any dimension of a model (embedding, heads, feed-forward). Real models reach about 60 k. */
  modelWidth: 1_048_576,
  /** Program: positions of the longest context; real models declare up to 10 million. */
  contextLength: 1_073_741_824,
  /** PNG: pixels a side that a reader accepts. */
  pictureSide: 16_777_216,
  /** PNG: bytes of one ancillary chunk that a reader looks into. */
  ancillaryChunkBytes: 1_048_576,
  /** PNG: chunks before the image data. Millions of empty ones must not keep a reader busy. */
  ancillaryChunks: 10_000,
  /** PNG: pixels a line that the decoder accepts: each line takes memory before its first byte is seen. Ours have 8192. */
  decodedWidth: 65_536,
  /** PNG: bytes of pixels that a picture another program wrote may take in memory. Mappable pictures take none. */
  decodedBytes: 2_147_483_648,
  /** PXI: bytes of the manifest JSON. */
  manifestBytes: 134_217_728,
  /** PXI: files of one set. */
  setFiles: 99_999,
  /** Map: bytes of pixels that one read or write may move, since they stand in memory. */
  mapRegionBytes: 2_147_483_648,
  /** Map: regions that an exported map may list. */
  mapExportedEntries: 4_000_000,
  /** Map: characters of a mounted picture's path or URL. */
  mapPathCharacters: 4096,
  /** Map: bytes of a region's or overlay's metadata as JSON. Larger things belong into pixels. */
  mapMetadataBytes: 1_048_576,
  /** Commands: bytes of a text read from stdin or a file: an endless pipe must not fill memory. */
  textBytes: 67_108_864,
  /** Conversation: bytes of tokens, or of the KV cache, that a saved session may make us read. */
  conversationBytes: 17_179_869_184,
  /** Tokenizer: UTF-16 units of a special token. Each may be tried at every place of a text. */
  specialTokenLength: 1024,
  /** Chat template: UTF-16 units of its text. Real ones reach some 100 k. */
  chatTemplateLength: 1_048_576,
  /** Chat template: steps of one rendering, some seconds. A template that loops for ever must end; long conversations take some 10 k. */
  templateSteps: 1_000_000,
} as const;
