/** Reading secrets where the configuration says they are: an environment variable or a command of the system's keychain. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { CoachError } from '../core/errors.ts';
import type { SecretConfig } from './config.ts';

const run = promisify(execFile);
/** A keychain may ask its user first. */
const COMMAND_MILLISECONDS = 60_000;

type SecretResult =
  | { readonly value: string }
  | { readonly missing: string; readonly remedy: string; readonly tried: string };

export interface SecretReader {
  read(): Promise<SecretResult>;
  /** The value, or `agent-unavailable`. */
  require(agent: string): Promise<string>;
  /** Values read so far, so that messages can be cleaned of them. */
  readonly known: () => readonly string[];
}

export interface Secrets {
  reader(secret: SecretConfig): SecretReader;
}

export function createSecrets(environment: NodeJS.ProcessEnv = process.env): Secrets {
  return {
    reader(secret) {
      let found: Promise<SecretResult> | undefined;
      const values: string[] = [];
      const read = async (): Promise<SecretResult> => {
        found ??=
          'env' in secret ? Promise.resolve(fromEnvironment(secret.env, environment)) : fromCommand(secret.command);
        const result = await found;
        // What is missing now may be there at the next try.
        if ('missing' in result) found = undefined;
        else if (!values.includes(result.value)) values.push(result.value);
        return result;
      };
      return {
        read,
        known: () => values,
        async require(agent) {
          const result = await read();
          if ('value' in result) return result.value;
          throw new CoachError('agent-unavailable', `Agent "${agent}": ${result.missing} ${result.remedy}`, {
            details: { agent, retryable: false, permanent: true },
          });
        },
      };
    },
  };
}

function fromEnvironment(name: string, environment: NodeJS.ProcessEnv): SecretResult {
  const value = environment[name]?.trim();
  if (value) return { value };
  return {
    missing: `The environment variable ${name} is not set.`,
    remedy: `Set it: export ${name}=...`,
    tried: `environment variable ${name}`,
  };
}

async function fromCommand(command: readonly string[]): Promise<SecretResult> {
  const [program = '', ...parameters] = command;
  const tried = command.join(' ');
  try {
    const { stdout } = await run(program, parameters, { timeout: COMMAND_MILLISECONDS });
    const value = stdout.trim();
    if (value !== '') return { value };
    return { missing: `The command "${tried}" printed nothing.`, remedy: 'Store the key there first.', tried };
  } catch (error) {
    // Its output may hold the secret: only how it ended is told.
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    return {
      missing: `The command "${tried}" failed (${code}).`,
      remedy: 'Run it by hand to see why, and store the key there first.',
      tried,
    };
  }
}
