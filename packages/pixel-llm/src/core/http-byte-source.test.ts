import assert from 'node:assert/strict';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { readBytes } from './byte-source.ts';
import { isPixelError } from './errors.ts';
import { openHttpByteSource } from './http-byte-source.ts';

const file = Uint8Array.from({ length: 1000 }, (_, index) => index & 255);

/** A real server on the loopback for the time of one test. */
async function withServer(listener: RequestListener, use: (url: string) => Promise<void>): Promise<void> {
  const server: Server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/model.png`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

function rangeOf(header: string | undefined): [start: number, end: number] {
  const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(header ?? '') ?? [];
  return [Number(start), Number(end) + 1];
}

/** Answers ranges properly, unless told how to misbehave after the first request. */
function serve(
  misbehave: { etag?: boolean; body?: (right: Uint8Array) => Uint8Array; size?: number } = {},
): RequestListener {
  let requests = 0;
  return (request, response) => {
    const first = requests++ === 0;
    const [start, end] = rangeOf(request.headers.range);
    const right = file.subarray(start, end);
    const size = first ? file.length : (misbehave.size ?? file.length);
    response.writeHead(206, {
      'content-range': `bytes ${start}-${start + right.length - 1}/${size}`,
      etag: misbehave.etag && !first ? '"b"' : '"a"',
    });
    response.end(first ? right : (misbehave.body?.(right) ?? right));
  };
}

const isHttpError = (error: unknown): boolean => isPixelError(error, 'http');

describe('A byte source over HTTP', () => {
  test('reads ranges', async () => {
    await withServer(serve(), async (url) => {
      const source = await openHttpByteSource(url);
      assert.equal(source.size, 1000);
      const [one, two] = [new Uint8Array(3), new Uint8Array(4)];
      await source.read(100, [one, two]);
      assert.deepEqual([...one, ...two], [100, 101, 102, 103, 104, 105, 106]);
      assert.equal((await readBytes(source, 10, 0)).length, 0);
      await assert.rejects(readBytes(source, 999, 2), (error) => isPixelError(error, 'truncated'));
    });
  });

  const lies: [string, Parameters<typeof serve>[0]][] = [
    ['the file changed meanwhile (another ETag)', { etag: true }],
    ['the file changed meanwhile (another size)', { size: 2000 }],
    ['it sends too little', { body: (right) => right.subarray(1) }],
    ['it sends too much', { body: (right) => Buffer.concat([right, right]) }],
  ];
  for (const [what, misbehave] of lies) {
    test(`notices that ${what}`, async () => {
      await withServer(serve(misbehave), async (url) => {
        const source = await openHttpByteSource(url);
        await assert.rejects(readBytes(source, 0, 50), isHttpError);
      });
    });
  }

  test('says when the server knows no ranges, has no such file, or breaks off', async () => {
    await withServer(
      (_, response) => response.end(file),
      async (url) => {
        await assert.rejects(openHttpByteSource(url), /range requests/);
      },
    );
    await withServer(
      (_, response) => response.writeHead(404).end(),
      async (url) => {
        await assert.rejects(openHttpByteSource(url), /404/);
      },
    );
    await withServer(
      (request) => request.socket.destroy(),
      async (url) => {
        await assert.rejects(openHttpByteSource(url), isHttpError);
      },
    );
  });

  test('stops when its signal fires while it waits', async () => {
    const controller = new AbortController();
    await withServer(
      () => controller.abort(),
      async (url) => {
        const open = openHttpByteSource(url, { signal: controller.signal });
        await assert.rejects(open, (error) => isPixelError(error, 'aborted'));
      },
    );
  });
});
