/** Chooses the sandbox: a container if the configuration names one, bubblewrap on Linux, or a refusal. */
import { platform } from 'node:os';
import { CoachError } from '../core/errors.ts';
import { createBubblewrap } from './bubblewrap.ts';
import { type ContainerOptions, createContainerSandbox } from './container.ts';
import type { Sandbox, SandboxLimits } from './types.ts';

export interface SandboxOptions {
  readonly container?: Pick<ContainerOptions, 'command' | 'image'> | undefined;
  readonly gpu?: boolean | undefined;
  readonly limits?: Partial<SandboxLimits> | undefined;
  /** The bubblewrap program; `bwrap` when absent. */
  readonly bubblewrap?: string | undefined;
}

/** A sandbox that was tried and works. Throws `no-sandbox`, with the reason and what to install. */
export async function chooseSandbox({
  container,
  gpu = false,
  limits = {},
  bubblewrap = 'bwrap',
}: SandboxOptions = {}): Promise<Sandbox> {
  if (container === undefined && platform() !== 'linux')
    throw new CoachError(
      'no-sandbox',
      `There is no sandbox on ${platform()} but a container: install podman or docker and set sandbox.container in the configuration, ` +
        'for example { "command": "podman", "image": "node:24" }.',
    );
  const sandbox =
    container === undefined
      ? createBubblewrap({ limits, gpu, program: bubblewrap })
      : createContainerSandbox({ ...container, limits, gpu });
  const { usable, reason, remedy, tried } = await sandbox.availability();
  if (usable) return sandbox;
  throw new CoachError(
    'no-sandbox',
    `Nothing that a model wrote is run without a sandbox. Tried: ${tried}. ${reason} ${remedy}`,
  );
}
