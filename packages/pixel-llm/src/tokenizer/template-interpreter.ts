/**
 * Runs a chat template within bounds. Templates come out of model files, so a template is a program from a stranger: it sees
 * only what it is given, and a budget of steps ends one that would run for ever.
 */
import { Environment, Interpreter, Template } from '@huggingface/jinja';
import { LIMITS } from '../core/limits.ts';

interface JinjaEnvironment {
  set(name: string, value: unknown): unknown;
}

interface JinjaInterpreter {
  run(template: ParsedTemplate): { readonly value: unknown };
  evaluate(node: unknown, environment: unknown): { readonly value: unknown };
}

// The package's types of these two do not resolve under Node's rules (imports without extensions), so they are said here.
const OpenEnvironment = Environment as unknown as new () => JinjaEnvironment;
const OpenInterpreter = Interpreter as unknown as new (environment: JinjaEnvironment) => JinjaInterpreter;

/** A template after parsing. */
export type ParsedTemplate = Template['parsed'];

/** Throws the parser's own errors. */
export function parseTemplate(text: string): ParsedTemplate {
  return new Template(text).parsed;
}

/** Renders with the given variables; throws the interpreter's own errors and those of `raise_exception`. */
export function runTemplate(
  template: ParsedTemplate,
  variables: Readonly<Record<string, unknown>>,
  { now }: { now: Date },
): string {
  const budget = new StepBudget();
  const environment = new OpenEnvironment();
  for (const [name, value] of Object.entries({ ...variables, ...builtIns(budget, now) })) environment.set(name, value);
  return String(new BoundedInterpreter(environment, budget).run(template).value);
}

/** Text is cheap: a document of a megabyte may be looked at a few hundred times. */
const CHARACTERS_A_STEP = 256;

class StepBudget {
  #left: number = LIMITS.templateSteps;

  spend(steps: number): void {
    this.#left -= steps;
    // `!(… >= 0)` is also true for NaN.
    if (!(this.#left >= 0)) throw new Error(`it needs more than ${LIMITS.templateSteps} steps`);
  }
}

/**
 * Every statement and expression comes through `evaluate`, so counting there, and counting what comes out by its size, bounds
 * the work: a loop has evaluated what it runs over, and what grows has been evaluated at every stage of its growth.
 */
class BoundedInterpreter extends OpenInterpreter {
  readonly #budget: StepBudget;

  constructor(environment: JinjaEnvironment, budget: StepBudget) {
    super(environment);
    this.#budget = budget;
  }

  override evaluate(node: unknown, environment: unknown): { readonly value: unknown } {
    this.#budget.spend(1);
    const result = super.evaluate(node, environment);
    this.#budget.spend(stepsOfSize(result.value));
    return result;
  }
}

function stepsOfSize(value: unknown): number {
  if (typeof value === 'string') return value.length / CHARACTERS_A_STEP;
  if (Array.isArray(value)) return value.length;
  return value instanceof Map ? value.size : 0;
}

/** What templates may call, as the programs that models are published for define it. */
function builtIns(budget: StepBudget, now: Date): Record<string, unknown> {
  return {
    true: true,
    false: false,
    none: null,
    True: true,
    False: false,
    None: null,
    raise_exception(message: unknown) {
      throw new Error(String(message));
    },
    range: (first: number, last?: number, step?: number) => range(budget, first, last, step),
    strftime_now: (format: string) => formatTime(now, format),
  };
}

function range(budget: StepBudget, first: number, last?: number, step = 1): number[] {
  const [begin, end] = last === undefined ? [0, first] : [first, last];
  const count = Math.max(0, Math.ceil((end - begin) / step));
  budget.spend(count);
  return Array.from({ length: count }, (_, index) => begin + index * step);
}

const MONTHS = 'January February March April May June July August September October November December'.split(' ');
const DAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');

/** Python's strftime, in English whatever the machine speaks; an unknown code stays as it is. */
function formatTime(time: Date, format: string): string {
  const month = MONTHS[time.getMonth()]!;
  const day = DAYS[time.getDay()]!;
  const codes: Record<string, string> = {
    '%Y': String(time.getFullYear()),
    '%m': twoDigits(time.getMonth() + 1),
    '%d': twoDigits(time.getDate()),
    '%B': month,
    '%b': month.slice(0, 3),
    '%A': day,
    '%a': day.slice(0, 3),
    '%H': twoDigits(time.getHours()),
    '%M': twoDigits(time.getMinutes()),
    '%S': twoDigits(time.getSeconds()),
    '%%': '%',
  };
  return format.replace(/%./g, (code) => codes[code] ?? code);
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}
