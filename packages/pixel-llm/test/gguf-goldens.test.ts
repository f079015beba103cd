import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dequantize } from '../src/gguf/dequantize.ts';
import { openGgufFile } from '../src/gguf/node.ts';
import { quantize } from '../src/gguf/quantize.ts';
import { typeNamed } from '../src/gguf/testing.ts';
import { encodeGgufHead } from '../src/gguf/writer.ts';
import { createGgufWeights } from '../src/pxi/gguf-weights.ts';
import { readBlocks } from '../src/pxi/read-blocks.ts';
import { golden, goldenTest } from './goldens.ts';

interface TypeFacts {
  ggml_type: number;
  block_elements: number;
  block_bytes: number;
  values: number;
}

function bytesOf(path: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(golden(path)));
}

function ggufFiles(): string[] {
  return ['models', 'tokenizer'].flatMap((folder) =>
    readdirSync(golden(folder))
      .filter((name) => name.endsWith('.gguf'))
      .map((name) => `${folder}/${name}`),
  );
}

goldenTest('every block type of libggml dequantizes to its float32, bit for bit', () => {
  const { types } = JSON.parse(readFileSync(golden('dequant/index.json'), 'utf8')) as {
    types: Record<string, TypeFacts>;
  };
  assert.ok(Object.keys(types).length >= 13);
  for (const [name, facts] of Object.entries(types)) {
    const type = typeNamed(name);
    assert.deepEqual(
      [type.id, type.blockElements, type.blockBytes],
      [facts.ggml_type, facts.block_elements, facts.block_bytes],
    );
    const values = new Float32Array(facts.values);
    dequantize(type, bytesOf(`dequant/${name}.blocks`), values);
    assert.deepEqual(new Uint8Array(values.buffer), bytesOf(`dequant/${name}.f32`), name);
  }
});

goldenTest('quantizing gives the bytes of the reference quantizers of libggml', () => {
  const gaussian = new Float32Array(bytesOf('dequant/gaussian.f32').buffer);
  for (const name of ['Q8_0', 'Q4_0', 'Q4_K', 'Q6_K']) {
    assert.deepEqual(quantize(typeNamed(name), gaussian), bytesOf(`dequant/${name}.quantized`), name);
  }
});

goldenTest('every real file is read, and the writer gives the same head back', async () => {
  const files = ggufFiles();
  assert.ok(files.length >= 28);
  for (const file of files) {
    const model = await openGgufFile(golden(file));
    try {
      const { headBytes, metadata, tensors } = model.parts[0]!.head;
      const written = encodeGgufHead({ metadata, tensors });
      assert.deepEqual(written.bytes.subarray(0, headBytes.length), headBytes, file);
      if (tensors.length > 0) assert.equal(written.fileBytes, model.parts[0]!.source.size, file);
    } finally {
      await model.dispose();
    }
  }
});

goldenTest('planes of real files, joined again, are the bytes of the file', async () => {
  for (const file of ggufFiles().filter((name) => name.includes('random-llama'))) {
    const bytes = bytesOf(file);
    const model = await openGgufFile(golden(file));
    const weights = createGgufWeights(model);
    try {
      for (const [name, tensor] of model.tensors) {
        const rows = { start: 0, end: tensor.dimensions[1] ?? 1 };
        const blocks = await readBlocks(weights, name, rows);
        assert.deepEqual(blocks, bytes.slice(tensor.offset, tensor.offset + tensor.byteLength), `${file}: ${name}`);
      }
    } finally {
      await weights.dispose();
    }
  }
});
