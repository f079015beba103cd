import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CHARACTER_OF_BYTE, fromByteLevel, toByteLevel, writeUtf8 } from './byte-level.ts';
import { anyCharacter } from './testing.ts';

test('the byte alphabet has 256 different printable characters, with Ġ for the space', () => {
  assert.equal(new Set(CHARACTER_OF_BYTE).size, 256);
  assert.deepEqual(
    [0x20, 0x0a, 0x41, 0xad, 0xff].map((byte) => CHARACTER_OF_BYTE[byte]),
    ['Ġ', 'Ċ', 'A', 'Ń', 'ÿ'],
  );
});

test('a text survives the byte alphabet', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      assert.equal(new TextDecoder('utf-8', { ignoreBOM: true }).decode(fromByteLevel(toByteLevel(text))), text);
    }),
  );
});

test('a character outside the alphabet stands for its own UTF-8 bytes', () => {
  assert.deepEqual([...fromByteLevel('a€')], [0x61, 0xe2, 0x82, 0xac]);
});

test('UTF-8 is written as the platform writes it', () => {
  fc.assert(
    fc.property(anyCharacter, (character) => {
      const bytes = new Uint8Array(4);
      const length = writeUtf8(character.codePointAt(0) ?? 0, bytes, 0);
      assert.deepEqual(bytes.slice(0, length), new TextEncoder().encode(character));
    }),
    { numRuns: 500 },
  );
});
