/** `pixel-llm devices`: what models can run on here. */
import { type DeviceReport, listDevices } from '../backends/select.ts';
import type { RegisterCommand } from './command.ts';

const EXAMPLES = `
Fastest first. With --json, stdout has one array of {"device","usable","description","automatic"}.

Examples:
  pixel-llm devices
  pixel-llm devices --json`;

export const registerDevices: RegisterCommand = (program, context) => {
  program
    .command('devices')
    .description('List what models can run on here, and why not on the rest.')
    .option('--json', 'as JSON')
    .addHelpText('after', EXAMPLES)
    .action(async ({ json }: { json?: boolean }) => {
      const devices = await listDevices();
      await context.print(json ? `${JSON.stringify(devices, undefined, 2)}\n` : devices.map(line).join(''));
    });
};

function line({ device, usable, description, automatic }: DeviceReport): string {
  const state = automatic ? 'usable, chosen by auto' : usable ? 'usable' : 'not usable';
  return `${device.padEnd(10)} ${state.padEnd(23)} ${description}\n`;
}
