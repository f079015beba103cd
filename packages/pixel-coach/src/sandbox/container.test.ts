import assert from 'node:assert/strict';
import { test } from 'node:test';
import { containerArguments } from './container.ts';
import { DEFAULT_LIMITS } from './types.ts';

// Neither podman nor an image can be had in the test environment: this checks what the container command is told, not what it does.
test('A container is told everything that bubblewrap enforces: no network, no privileges, read-only, limits', () => {
  const command = { argv: ['sh', '-c', 'npm test'], folder: '/export', writable: ['dist'], environment: { X: 'y' } };
  const words = containerArguments(command, DEFAULT_LIMITS, { image: 'node:24', name: 'n', gpu: false });
  for (const word of [
    '--rm',
    '--network=none',
    '--read-only',
    '--cap-drop=ALL',
    '--security-opt=no-new-privileges',
    '--pids-limit=256',
  ])
    assert.ok(words.includes(word), word);
  const text = words.join(' ');
  assert.match(text, /--user=1000:1000/);
  assert.match(text, /--volume \/export:\/work:ro/);
  assert.match(text, /--tmpfs \/work\/dist:rw,mode=1777,size=1073741824/);
  assert.match(text, /--env X=y/);
  assert.ok(!text.includes('PATH='));
  assert.deepEqual(words.slice(-4), ['node:24', 'sh', '-c', 'npm test']);
});
