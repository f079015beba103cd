import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPixelError } from '../core/errors.ts';
import { selectBackend } from './select.ts';
import type { DeviceName } from './types.ts';

test('auto is the fastest device there is', async () => {
  assert.equal((await selectBackend('auto')).device, 'cpu');
  assert.equal((await selectBackend('reference')).device, 'reference');
});

test('an unknown device is refused by an error that lists the known ones', async () => {
  for (const device of ['tpu', 'gpu', 'constructor'] as DeviceName[]) {
    await assert.rejects(selectBackend(device), (error) => {
      assert.ok(isPixelError(error, 'unknown-device'));
      assert.match(error.message, /Devices: auto, cpu, reference/);
      return true;
    });
  }
});
