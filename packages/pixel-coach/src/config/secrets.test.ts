import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createSecrets } from './secrets.ts';

describe('A secret', () => {
  test('comes from an environment variable, or says which one is not set', async () => {
    const secrets = createSecrets({ KEY: ' value ' });
    assert.deepEqual(await secrets.reader({ env: 'KEY' }).read(), { value: 'value' });
    const missing = await secrets.reader({ env: 'OTHER' }).read();
    assert.deepEqual(missing, {
      missing: 'The environment variable OTHER is not set.',
      remedy: 'Set it: export OTHER=...',
      tried: 'environment variable OTHER',
    });
    await assert.rejects(secrets.reader({ env: 'OTHER' }).require('gemini'), {
      code: 'agent-unavailable',
      message: /Agent "gemini": The environment variable OTHER is not set\. Set it/,
    });
  });

  test('comes from a command, which is asked once', async () => {
    const reader = createSecrets({}).reader({ command: ['sh', '-c', 'date +%s%N'] });
    const first = await reader.require('a');
    assert.match(first, /^\d+$/);
    assert.equal(await reader.require('a'), first);
    assert.deepEqual(reader.known(), [first]);
  });

  test('what a failing command printed is not told, it may be the secret', async () => {
    const reader = createSecrets({}).reader({
      command: ['sh', '-c', 'echo hunter2; echo hunter2 >&2; exit 4', 'keychain'],
    });
    const result = await reader.read();
    assert.ok('missing' in result);
    assert.match(result.missing, /failed \(4\)/);
    assert.ok(!JSON.stringify(result).replaceAll('echo hunter2', '').includes('hunter2'));
    assert.ok(
      'missing' in
        (await createSecrets({})
          .reader({ command: ['true'] })
          .read()),
    );
  });
});
