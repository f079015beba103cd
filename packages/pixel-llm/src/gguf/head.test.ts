import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  columnsOf,
  type MetadataValue,
  metadataBoolean,
  metadataNumber,
  metadataNumbers,
  metadataString,
  metadataStrings,
  rowsOf,
} from './head.ts';
import { tensorOf } from './testing.ts';

const metadata = new Map<string, MetadataValue>([
  ['number', { type: 'uint32', value: 7 }],
  ['long', { type: 'uint64', value: 9n }],
  ['longer', { type: 'uint64', value: 2n ** 60n }],
  ['text', { type: 'string', value: 'x' }],
  ['flag', { type: 'bool', value: false }],
  ['words', { type: 'array', itemType: 'string', value: ['a', 'b'] }],
  ['scores', { type: 'array', itemType: 'float32', value: Float32Array.of(1, 2) }],
  ['longs', { type: 'array', itemType: 'int64', value: BigInt64Array.of(1n) }],
]);

test('metadata are had by key and type; a key that is missing is undefined', () => {
  assert.equal(metadataNumber(metadata, 'number'), 7);
  assert.equal(metadataNumber(metadata, 'long'), 9);
  assert.equal(metadataString(metadata, 'text'), 'x');
  assert.equal(metadataBoolean(metadata, 'flag'), false);
  assert.deepEqual(metadataStrings(metadata, 'words'), ['a', 'b']);
  assert.deepEqual(metadataNumbers(metadata, 'scores'), Float32Array.of(1, 2));
  for (const get of [metadataNumber, metadataString, metadataBoolean, metadataStrings, metadataNumbers]) {
    assert.equal(get(metadata, 'none'), undefined);
  }
});

test('metadata of another type are refused by key, with what was expected and found', () => {
  const refusals: [() => unknown, RegExp][] = [
    [() => metadataNumber(metadata, 'text'), /"text" should be a number, but is string/],
    [() => metadataNumber(metadata, 'longer'), /"longer" should be a number, but is uint64/],
    [() => metadataString(metadata, 'number'), /"number" should be a string, but is uint32/],
    [() => metadataBoolean(metadata, 'words'), /"words" should be true or false, but is an array of string/],
    [() => metadataStrings(metadata, 'scores'), /should be an array of strings, but is an array of float32/],
    [() => metadataNumbers(metadata, 'longs'), /should be an array of numbers, but is an array of int64/],
  ];
  for (const [call, message] of refusals) assert.throws(call, { code: 'bad-metadata', message });
});

test('a tensor is a matrix: the first dimension its columns, the product of the others its rows', () => {
  const tensor = tensorOf('t', 'F32', 5, 3, 2);
  assert.deepEqual([columnsOf(tensor), rowsOf(tensor)], [5, 6]);
  assert.deepEqual([columnsOf(tensorOf('t', 'F32')), rowsOf(tensorOf('t', 'F32'))], [1, 1]);
});
