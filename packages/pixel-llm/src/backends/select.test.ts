import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPixelError } from '../core/errors.ts';
import { listDevices, selectBackend } from './select.ts';
import type { DeviceName } from './types.ts';

test('auto is the fastest device there is', async () => {
  assert.equal((await selectBackend('auto')).device, 'cpu');
  assert.equal((await selectBackend('reference')).device, 'reference');
});

test('an unknown device is refused by an error that lists the known ones', async () => {
  for (const device of ['tpu', 'constructor'] as string[] as DeviceName[]) {
    await assert.rejects(selectBackend(device), (error) => {
      assert.ok(isPixelError(error, 'unknown-device'));
      assert.match(error.message, /Devices: auto, gpu, cpu, reference/);
      return true;
    });
  }
});

test('every device is listed with what it is or why it is not, and what is right here makes the list', async () => {
  const devices = await listDevices({ threads: 1 });
  assert.deepEqual(
    devices.map(({ device, usable }) => [device, usable]),
    [
      ['gpu', false],
      ['cpu', true],
      ['reference', true],
    ],
  );
  assert.deepEqual(
    devices.filter(({ automatic }) => automatic).map(({ device }) => device),
    [(await selectBackend('auto')).device],
  );
  const [, cpu] = await listDevices({ threads: 0 });
  assert.ok(cpu && !cpu.usable && /threads is 0/.test(cpu.description));
});
