/** The sandbox of the configuration. */
import type { CoachConfig } from '../config/config.ts';
import { createBubblewrap } from '../sandbox/bubblewrap.ts';
import { createContainerSandbox } from '../sandbox/container.ts';
import type { Sandbox, SandboxLimits } from '../sandbox/types.ts';

const MEGABYTE = 2 ** 20;

export function sandboxLimits({ sandbox }: CoachConfig): Partial<SandboxLimits> {
  return {
    wallClockMilliseconds: sandbox.timeoutSeconds * 1000,
    memoryBytes: sandbox.memoryMegabytes * MEGABYTE,
    processes: sandbox.processes,
    fileBytes: sandbox.fileMegabytes * MEGABYTE,
  };
}

/** Not tried yet: `availability()` does. */
export function sandboxOf(config: CoachConfig): Sandbox {
  const { kind, container, gpu } = config.sandbox;
  const limits = sandboxLimits(config);
  const wantsContainer =
    kind === 'container' || (kind === 'auto' && container !== undefined && process.platform !== 'linux');
  if (!wantsContainer) return createBubblewrap({ limits, gpu });
  const { command = 'podman', image = 'docker.io/library/node:24-bookworm-slim' } = container ?? {};
  return createContainerSandbox({ command, image, limits, gpu });
}
