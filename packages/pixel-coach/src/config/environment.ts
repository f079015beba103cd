/** Environment variables that win over the configuration file: what one changes for a single run, or in CI. */
import { CoachError } from '../core/errors.ts';

type Reader = (text: string, name: string) => unknown;

const asText: Reader = (text) => text;
const asList: Reader = (text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
const asNumber: Reader = (text, name) => {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value)) return value;
  throw new CoachError('bad-config', `The environment variable ${name} must be a number, not "${text}".`);
};

/** Each variable, the option that it sets, and how its text is read. docs/coach-commands.md lists the same table. */
export const ENVIRONMENT_OVERRIDES: Readonly<Record<string, readonly [path: string, read: Reader]>> = {
  PIXEL_COACH_ROADMAP: ['roadmap', asText],
  PIXEL_COACH_MODE: ['mode', asText],
  PIXEL_COACH_GENERATORS: ['generators', asList],
  PIXEL_COACH_REVIEWERS: ['reviewers', asList],
  PIXEL_COACH_THRESHOLD: ['threshold', asNumber],
  PIXEL_COACH_MAX_ATTEMPTS: ['maxAttempts', asNumber],
  PIXEL_COACH_WORKERS: ['workers', asNumber],
  PIXEL_COACH_BUDGET_PER_CALL: ['budget.perCall', asNumber],
  PIXEL_COACH_BUDGET_PER_TASK: ['budget.perTask', asNumber],
  PIXEL_COACH_BUDGET_PER_RUN: ['budget.perRun', asNumber],
  PIXEL_COACH_BUDGET_PER_DAY: ['budget.perDay', asNumber],
  PIXEL_COACH_SANDBOX: ['sandbox.kind', asText],
  PIXEL_COACH_LOG_LEVEL: ['log.level', asText],
};

/** The value of the file with the variables put in; the schema checks them together. Throws `bad-config`. */
export function overrideByEnvironment(value: unknown, environment: NodeJS.ProcessEnv): unknown {
  if (!isRecord(value)) return value;
  const result: Record<string, unknown> = { ...value };
  for (const [name, [path, read]] of Object.entries(ENVIRONMENT_OVERRIDES)) {
    const text = environment[name];
    if (text === undefined || text === '') continue;
    const [first = '', second] = path.split('.');
    if (second === undefined) result[first] = read(text, name);
    else {
      const inner = result[first];
      result[first] = { ...(isRecord(inner) ? inner : {}), [second]: read(text, name) };
    }
  }
  return result;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
