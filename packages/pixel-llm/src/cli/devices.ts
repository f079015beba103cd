/** `pixel-llm devices`: what models can run on here. */
import { type DeviceReport, listDevices } from '../backends/select.ts';
import type { AdapterReport } from '../backends/webgpu/adapters.ts';
import type { RegisterCommand } from './command.ts';
import { printable } from './printable.ts';
import { formatBytes } from './progress-bar.ts';

const EXAMPLES = `
Fastest first; under "gpu" the adapters it can run on, with what they can do. With --json, stdout has one array of
{"device","usable","description","automatic","adapters"}, all limits in it.

Examples:
  pixel-llm devices
  pixel-llm devices --json`;

/** Features that change which kernels are used. */
const TOLD_FEATURES = ['shader-f16', 'subgroups', 'timestamp-query'];

export const registerDevices: RegisterCommand = (program, context) => {
  program
    .command('devices')
    .description('List what models can run on here, and why not on the rest.')
    .option('--json', 'as JSON')
    .addHelpText('after', EXAMPLES)
    .action(async ({ json }: { json?: boolean }) => {
      const devices = await listDevices();
      await context.print(json ? `${JSON.stringify(devices, undefined, 2)}\n` : devices.map(lines).join(''));
    });
};

function lines({ device, usable, description, automatic, adapters = [] }: DeviceReport): string {
  const state = automatic ? 'usable, chosen by auto' : usable ? 'usable' : 'not usable';
  return `${device.padEnd(10)} ${state.padEnd(23)} ${description}\n${adapters.map(adapterLines).join('')}`;
}

function adapterLines({ name, type, features, limits }: AdapterReport): string {
  const told = TOLD_FEATURES.filter((feature) => features.includes(feature));
  const binding = formatBytes(limits.maxStorageBufferBindingSize ?? 0);
  const invocations = limits.maxComputeInvocationsPerWorkgroup;
  const indent = ' '.repeat(11);
  return `${indent}- ${printable(name)} (${type}): ${told.join(', ') || 'no special features'}
${indent}  bindings of ${binding}, buffers of ${formatBytes(limits.maxBufferSize ?? 0)}, ${limits.maxStorageBuffersPerShaderStage} a kernel, ${invocations} invocations a workgroup
`;
}
