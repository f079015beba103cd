/**
 * The roadmap file (coach.roadmap.yaml or .json): phases of tasks, as a person writes them. Names are those of the file, with
 * underscores; read-roadmap.ts turns them into the store's. The same schema is published for editors as coach.schema.json.
 */
import { z } from 'zod';
import { TASK_ACTIONS, type TaskAction } from '../store/types.ts';

export interface RoadmapTask {
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly action: TaskAction;
  readonly paths: readonly string[];
  readonly context: readonly string[];
  readonly priority: number;
  readonly dependencies: readonly string[];
  readonly test_command: string | null;
  readonly hidden_test_command: string | null;
  readonly preferred_agent: string | null;
  readonly max_attempts: number | null;
  /** US dollars. */
  readonly budget: number | null;
}

export interface RoadmapPhase {
  readonly id: string;
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  readonly tasks: readonly RoadmapTask[];
}

export interface Roadmap {
  readonly $schema?: string | undefined;
  readonly version: 1;
  readonly title?: string | undefined;
  readonly phases: readonly RoadmapPhase[];
}

const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

const id = z
  .string()
  .regex(ID, 'letters, digits, ".", "_" and "-", at most 100, the first a letter or digit')
  .describe('Unique in the project.');

/** A file or glob inside the repository, with `/` between folders. */
const path = z
  .string()
  .min(1)
  .max(1000)
  .refine(isInside, 'a path or glob inside the repository, without "..", "\\" or a leading "/"');

const command = z.string().min(1).max(10_000);

const taskSchema: z.ZodType<RoadmapTask> = z
  .strictObject({
    id,
    title: z.string().min(1).max(300).describe('What is to be done, in one line.'),
    description: z.string().max(100_000).default('').describe('Everything the model has to know; Markdown.'),
    action: z
      .enum(TASK_ACTIONS)
      .default('edit_file')
      .describe('write_file: whole files; edit_file and patch: search/replace blocks; write_tests: new test files.'),
    paths: z.array(path).min(1).max(200).describe('Files or globs that an attempt may write.'),
    context: z.array(path).max(200).default([]).describe('Files or globs that the model sees beside those.'),
    priority: z.int().min(-1_000_000).max(1_000_000).default(0).describe('Larger comes first.'),
    dependencies: z.array(id).max(1000).default([]).describe('Tasks that must be done before.'),
    test_command: command
      .nullable()
      .default(null)
      .describe('Run in the sandbox; without one the change is reviewed only and marked unproven.'),
    hidden_test_command: command.nullable().default(null).describe('A second command that no model sees.'),
    preferred_agent: z.string().min(1).max(100).nullable().default(null).describe('The agent that should write.'),
    max_attempts: z.int().min(1).max(100).nullable().default(null).describe('The configuration says otherwise 3.'),
    budget: z.number().min(0).max(1_000_000).nullable().default(null).describe('US dollars for all calls of the task.'),
  })
  .describe('One task.');

export const roadmapSchema: z.ZodType<Roadmap> = z
  .strictObject({
    $schema: z.string().optional().describe('Where this schema stands, for editors.'),
    version: z.literal(1),
    title: z.string().max(300).optional(),
    phases: z
      .array(
        z.strictObject({
          id,
          title: z.string().max(300).optional(),
          description: z.string().max(100_000).optional(),
          tasks: z.array(taskSchema).max(200_000),
        }),
      )
      .min(1)
      .max(1000),
  })
  .describe('A roadmap for pixel-coach: phases of small tasks, each with a command that proves it.');

/** The JSON Schema of what a person may write (defaults are optional). */
export function roadmapJsonSchema(): Record<string, unknown> {
  return { title: 'pixel-coach roadmap', ...z.toJSONSchema(roadmapSchema, { io: 'input' }) };
}

function isInside(text: string): boolean {
  return (
    !text.startsWith('/') &&
    !text.includes('\\') &&
    !text.includes('\0') &&
    !text.split('/').some((part) => part === '..' || part === '.' || part === '')
  );
}
