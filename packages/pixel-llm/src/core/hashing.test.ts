import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { crc32 as nativeCrc32 } from 'node:zlib';
import { crc32, createSha256 } from './hashing.ts';

// This file does not import node.ts, so the portable functions run here; the native ones are the oracle.
const bytes = Uint8Array.from({ length: 3001 }, (_, index) => (index * 97 + (index >> 5)) & 255);

describe('The portable hashes', () => {
  test('CRC-32 agrees with zlib, whole and continued', () => {
    assert.equal(crc32(bytes), nativeCrc32(bytes));
    assert.equal(crc32(bytes.subarray(1000), crc32(bytes.subarray(0, 1000))), nativeCrc32(bytes));
    assert.equal(crc32(new TextEncoder().encode('123456789')), 0xcbf43926);
  });

  test('SHA-256 agrees with OpenSSL, whole and in pieces', () => {
    const hasher = createSha256();
    hasher.update(bytes.subarray(0, 777));
    hasher.update(bytes.subarray(777));
    assert.equal(hasher.digestHex(), createHash('sha256').update(bytes).digest('hex'));
  });
});

describe('core/node.ts', () => {
  test('installs native hashes that give the same answers', () => {
    const script = `import ${JSON.stringify(new URL('./node.ts', import.meta.url).href)};
      import { crc32, createSha256 } from ${JSON.stringify(new URL('./hashing.ts', import.meta.url).href)};
      const hasher = createSha256(); hasher.update(Buffer.from('abc'));
      console.log(crc32(Buffer.from('123456789')), hasher.digestHex());`;
    const answer = execFileSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8' });
    const sha256 = createHash('sha256').update('abc').digest('hex');
    assert.equal(answer.trim(), `${0xcbf43926} ${sha256}`);
  });
});
