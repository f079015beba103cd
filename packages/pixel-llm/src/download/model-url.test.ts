import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isPixelError } from '../core/errors.ts';
import { isModelUrl, parseModelUrl } from './model-url.ts';

const name = (path: string): string => parseModelUrl(`https://example.org/${path}`).named.name;

describe('The URL of a model', () => {
  test('gives a file name that stays in its folder and harms no terminal', () => {
    assert.equal(name('a/b/model.pxi.png?download=true#top'), 'model.pxi.png');
    assert.equal(name('my%20model.gguf'), 'my model.gguf');
    assert.equal(name('..%2F..%2Fetc%2Fpasswd'), '_.._etc_passwd');
    assert.equal(name('%2e%2e'), 'model');
    assert.equal(name(''), 'model');
    assert.equal(name('.hidden.gguf'), 'hidden.gguf');
    assert.equal(name('a%00%1b[2J%E2%80%AEb:c.gguf'), 'a__[2J_b_c.gguf');
    assert.equal(name('CON.gguf'), '_CON.gguf');
    assert.equal(name('broken%E0%A4.gguf'), 'broken%E0%A4.gguf');
    const long = name(`${encodeURIComponent('ü'.repeat(300))}-00001-of-00001.pxi.png`);
    assert.ok(Buffer.byteLength(long) <= 180 && long.endsWith('ü-00001-of-00001.pxi.png'));
  });

  test('names all files of a set, with their query, and one key for all of them', () => {
    const second = parseModelUrl('https://example.org/m-00002-of-00003.gguf?x=1');
    assert.deepEqual(
      second.files.map(({ url, display }) => [url.href, display]),
      [1, 2, 3].map((number) => {
        const url = `https://example.org/m-0000${number}-of-00003.gguf`;
        return [`${url}?x=1`, `${url}?...`];
      }),
    );
    assert.equal(second.named, second.files[1]);
    const key = (url: string) => parseModelUrl(url).key;
    assert.equal(second.key, key('https://example.org/m-00003-of-00003.gguf?x=1'));
    assert.notEqual(second.key, key('https://example.org/m-00003-of-00003.gguf?x=2'));
    assert.equal(parseModelUrl('https://example.org/m-00004-of-00003.gguf').files.length, 1);
    assert.equal(parseModelUrl('https://example.org/m-00001-of-00002.pxi.png').files.length, 2);
  });

  test('shows no credentials; they are in the headers only', () => {
    const remote = parseModelUrl('https://me:p%40ss@example.org/m.gguf?sig=s3cret#x');
    assert.equal(remote.headers.authorization, `Basic ${Buffer.from('me:p@ss').toString('base64')}`);
    assert.equal(remote.named.display, 'https://example.org/m.gguf?...');
    assert.equal(remote.named.url.href, 'https://example.org/m.gguf?sig=s3cret');
    assert.equal(remote.key, parseModelUrl('https://example.org/m.gguf?sig=s3cret').key);
  });

  test('is told from a path, and refused unless it is http or https', () => {
    assert.ok(isModelUrl('HTTPS://example.org/m.gguf') && isModelUrl('ftp://example.org/m.gguf'));
    assert.ok(!isModelUrl('models/m.gguf') && !isModelUrl('C:\\models\\m.gguf') && !isModelUrl('c:/m.gguf'));
    for (const url of ['ftp://example.org/m.gguf', 'file:///m.gguf', 'm.gguf', 'https://', 'javascript://x']) {
      assert.throws(
        () => parseModelUrl(url),
        (error) => isPixelError(error, 'bad-argument') && /give the http: or https: URL/.test(error.message),
        url,
      );
    }
  });
});
