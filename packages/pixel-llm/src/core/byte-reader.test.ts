import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteReader } from './byte-reader.ts';
import { MemoryByteSource } from './byte-source.ts';

const bytes = Uint8Array.from({ length: 64 }, (_, i) => 0x80 + i);
const view = new DataView(bytes.buffer);

function reader(options: { firstBytes?: number; limitBytes?: number } = {}): ByteReader {
  return new ByteReader(new MemoryByteSource(bytes), { firstBytes: 4, limitBytes: 1000, ...options });
}

test('every number type is read little-endian, one after the other', async () => {
  const r = reader();
  const numbers = await r.attempt(() => [
    r.uint8(),
    r.int8(),
    r.uint16(),
    r.int16(),
    r.uint32(),
    r.int32(),
    r.float32(),
    r.float64(),
    r.uint64(),
    r.int64(),
  ]);
  assert.deepEqual(numbers, [
    view.getUint8(0),
    view.getInt8(1),
    view.getUint16(2, true),
    view.getInt16(4, true),
    view.getUint32(6, true),
    view.getInt32(10, true),
    view.getFloat32(14, true),
    view.getFloat64(18, true),
    view.getBigUint64(26, true),
    view.getBigInt64(34, true),
  ]);
  assert.equal(r.position, 42);
  assert.equal(r.remaining, 22);
});

test('a parser that runs out of bytes starts again where it stood, with more', async () => {
  const r = reader();
  await r.attempt(() => r.uint8());
  let runs = 0;
  const length = await r.attempt(() => {
    runs++;
    r.uint16();
    return r.bytes(20).length;
  });
  assert.equal(length, 20);
  assert.equal(runs, 2);
  assert.equal(r.position, 23);
});

test('pieces double, so that a long head takes few reads', async () => {
  const reads: number[] = [];
  const source = new MemoryByteSource(new Uint8Array(5000));
  const read = source.read.bind(source);
  source.read = (offset, targets, options) => {
    reads.push(targets[0]?.length ?? 0);
    return read(offset, targets, options);
  };
  const r = new ByteReader(source, { firstBytes: 100, limitBytes: 10_000 });
  while (r.position < 4000) await r.attempt(() => r.uint8());
  assert.deepEqual(reads, [100, 100, 200, 400, 800, 1600, 1800]);
});

test('reading beyond the source is truncated, beyond the limit is refused, both with the offset', async () => {
  const r = reader();
  await assert.rejects(
    r.attempt(() => {
      r.bytes(60);
      return r.uint64();
    }),
    { code: 'truncated', message: /memory, byte 60: .* 8 bytes, but the file ends after 4/ },
  );
  const limited = reader({ limitBytes: 10 });
  await assert.rejects(
    limited.attempt(() => limited.bytes(11)),
    { code: 'limit-exceeded', message: /byte 0: .*10 bytes/ },
  );
  assert.equal((await limited.attempt(() => limited.bytes(10))).length, 10);
});

test('a 64-bit count above its limit is refused with the exact number', async () => {
  const huge = new Uint8Array(16).fill(255);
  const r = new ByteReader(new MemoryByteSource(huge), { limitBytes: 1000 });
  await assert.rejects(
    r.attempt(() => r.count64(5, 'the count')),
    { code: 'limit-exceeded', message: /byte 0: the count is 18446744073709551615, above the limit of 5/ },
  );
  await assert.rejects(
    r.attempt(() => r.count32(5, 'the count')),
    { code: 'limit-exceeded', message: /4294967295/ },
  );
});

test('text keeps a byte order mark and replaces what is not UTF-8', async () => {
  const source = new MemoryByteSource(Uint8Array.of(0xef, 0xbb, 0xbf, 0x41, 0xff));
  const r = new ByteReader(source, { limitBytes: 1000 });
  assert.equal(await r.attempt(() => r.text(5)), '\ufeffA\ufffd');
});

test('the prefix can be had after parsing, and the position stays', async () => {
  const r = reader();
  await r.attempt(() => r.uint32());
  assert.deepEqual(await r.prefix(50), bytes.slice(0, 50));
  assert.equal(r.position, 4);
});

test('an aborted signal stops the fetching', async () => {
  const options = { limitBytes: 100, signal: AbortSignal.abort() };
  const r = new ByteReader(new MemoryByteSource(bytes), options);
  await assert.rejects(
    r.attempt(() => r.uint8()),
    { code: 'aborted' },
  );
});
