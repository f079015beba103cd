/** `pixel-llm verify`: is a model still what was written? Exit code 1, and what is damaged, if not. */
import { type Command, Option } from 'commander';
import { PixelError } from '../core/errors.ts';
import { parseMapAddress } from '../map/node.ts';
import { ACTIVATION_MODES } from '../program/program.ts';
import { createWorkerHasher, openSource } from '../pxi/node.ts';
import { type VerifyReport, verifyModelFile } from '../pxi/verify-file.ts';
import { type CommandContext, type RegisterCommand, wholeNumber } from './command.ts';
import { printable } from './printable.ts';
import { formatBytes } from './progress-bar.ts';
import { type VerifyDevicesFlags, verifyDevices } from './verify-devices.ts';

const EXAMPLES = `
Pictures: the CRC of every line and the SHA-256 of every tensor; any picture of a set names the set. GGUF files hold no
checksums: their structure is checked, and that every tensor is there. Findings go to stdout, the exit code is 1 if there are any.

With --devices, not the file is checked but what computes: the model runs on two devices or more, and every op of the others is compared
with what the first makes of the same inputs. The first op beyond its tolerance is named, the exit code is then 1.

Examples:
  pixel-llm verify model.pxi.png
  pixel-llm verify model-00001-of-00003.pxi.png --json
  pixel-llm verify model.gguf
  pixel-llm verify model.pxi.png --devices reference,cpu
  pixel-llm verify model.pxi.png --devices reference,gpu --gpu-adapter llvmpipe
  pixel-llm verify model.pxi.png --devices reference,cpu --prompt "Once upon a time" --threads 2 --json`;

/** Findings that are printed; what is wrong is clear by then. */
const MOST_FINDINGS = 100;

export const registerVerify: RegisterCommand = (program: Command, context: CommandContext): void => {
  program
    .command('verify')
    .description('Check a model: every line of pixels and every tensor; or, with --devices, every op on two devices.')
    .argument('<model>', 'a .pxi.png or .gguf file or URL')
    .option('--devices <list>', 'compare what these devices compute, e.g. reference,cpu; the first is the yardstick')
    .option('--prompt <text>', 'with --devices: the text they are given (default: tokens from all over the vocabulary)')
    .option('--tokens <n>', 'with --devices and without --prompt: how many tokens', wholeNumber(1, 4096), 20)
    .option(
      '--threads <n>',
      "with --devices: threads to compute with (default: the device's choice)",
      wholeNumber(1, 1024),
    )
    .option('--gpu-adapter <name>', "with --devices: a part of the GPU adapter's name (default: a real GPU)")
    .addOption(
      new Option(
        '--gpu-activations <type>',
        'with --devices: what the GPU multiplies weights with (default: f32)',
      ).choices(ACTIVATION_MODES),
    )
    .option('--json', 'print the findings as JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (model: string, flags: Partial<VerifyDevicesFlags> & { tokens: number }) => {
      const { devices, json = false } = flags;
      if (devices !== undefined) return verifyDevices(model, { ...flags, devices }, context);
      const { signal } = context;
      refuseMapAddress(model);
      const open = (name: string) => openSource(name, { signal });
      const report = await context.withProgress((onProgress) =>
        verifyModelFile(model, open, { createHasher: createWorkerHasher, signal, onProgress }),
      );
      const isSound = report.findings.length === 0;
      await context.print(json ? `${JSON.stringify({ sound: isSound, ...report }, null, 2)}\n` : describe(report));
      if (!isSound) process.exitCode = 1;
    });
};

function refuseMapAddress(model: string): void {
  const address = parseMapAddress(model);
  if (!address) return;
  const instead = `\`pixel-llm map verify ${address.map}\` checks its pictures and all that was written over them`;
  throw new PixelError('bad-argument', `${model} is a model on a map: ${instead}.`);
}

function describe(report: VerifyReport): string {
  const { name, findings } = report;
  if (findings.length === 0) return `${name} is sound: ${soundness(report)}.\n`;
  const lines = findings.slice(0, MOST_FINDINGS).map(({ message }) => printable(message));
  if (findings.length > MOST_FINDINGS) lines.push(`... and ${findings.length - MOST_FINDINGS} findings more.`);
  return `${lines.join('\n')}\n${name} is not sound: get what is damaged or missing again.\n`;
}

function soundness({ format, files, lines, tensors, byteLength }: VerifyReport): string {
  const inFiles = files === 1 ? '' : ` in ${files} files`;
  const weights = `${tensors} tensors of ${formatBytes(byteLength)}`;
  if (format === 'gguf') return `its structure and the bounds of ${weights}${inFiles} (GGUF holds no checksums)`;
  return `${lines} lines of pixels and the SHA-256 of ${weights}${inFiles}`;
}
