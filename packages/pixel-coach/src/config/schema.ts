/**
 * `pixel-coach.config.json` as a zod schema: every option with its meaning, bounds and default. The JSON Schema that editors use
 * (pixel-coach.config.schema.json) is made from it, so the two cannot part.
 */
import { z } from 'zod';
import { COACH_MODES, type CoachConfig, LOG_LEVELS } from './config.ts';

/** Where a secret is: never the secret itself. */
const secretSchema = z
  .union([
    z.strictObject({ env: z.string().min(1).describe('Name of an environment variable.') }),
    z.strictObject({
      command: z
        .array(z.string())
        .min(1)
        .describe('A command that prints the secret, e.g. ["security", "find-generic-password", "-ws", "gemini"].'),
    }),
  ])
  .describe('Where to find a secret. Secrets themselves never stand in this file.');

const priceSchema = z
  .union([
    z.literal('free'),
    z.strictObject({
      input: z.number().min(0).describe('Dollars for a million input tokens.'),
      output: z.number().min(0).describe('Dollars for a million output tokens, thinking included.'),
      cachedInput: z.number().min(0).optional().describe('Dollars for a million input tokens read from the cache.'),
    }),
    z.strictObject({ perCall: z.number().min(0).describe('Dollars for one call, whatever its length.') }),
  ])
  .describe('What calls cost. Without it: the pinned price table, or nothing for a server on this machine.');

const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/i, 'a name is made of letters, digits, ".", "_" and "-"')
  .describe('The name of an agent, a key of "agents".');

const common = {
  price: priceSchema.optional(),
  maxOutputTokens: z.int().min(16).max(1_000_000).default(8192).describe('The longest answer, thinking included.'),
  timeoutSeconds: z.number().min(1).max(86_400).default(600).describe('A call that takes longer is given up.'),
};

const temperature = z
  .number()
  .min(0)
  .max(2)
  .optional()
  .describe("Sampling temperature; left to the server's default when absent.");

const contextTokens = z
  .int()
  .min(256)
  .optional()
  .describe('The context window. Without it the server is asked; a prompt that does not fit is not sent.');

const geminiSchema = z.strictObject({
  kind: z.literal('gemini'),
  model: z.string().min(1).default('gemini-3.8-flash'),
  apiKey: secretSchema.default({ env: 'GEMINI_API_KEY' }),
  baseUrl: z.url().optional().describe('Another address of the Gemini API (a proxy).'),
  thinking: z.enum(['minimal', 'low', 'medium', 'high']).optional().describe('How long the model thinks.'),
  contextTokens,
  ...common,
});

const openAiCompatibleSchema = z.strictObject({
  kind: z.literal('openai-compatible'),
  baseUrl: z.url().describe('Up to and including /v1. Ollama: http://127.0.0.1:11434/v1'),
  model: z.string().min(1),
  apiKey: secretSchema.optional(),
  structuredOutput: z
    .boolean()
    .default(true)
    .describe('Ask for reviews by response_format json_schema. Turn off for servers that refuse it.'),
  temperature,
  contextTokens,
  ...common,
});

const pixelLlmSchema = z.strictObject({
  kind: z.literal('pixel-llm'),
  model: z.string().min(1).describe('A .pxi.png or .gguf file, relative to this file.'),
  device: z.enum(['auto', 'cpu', 'gpu', 'reference']).default('auto'),
  threads: z.int().min(1).max(1024).optional(),
  temperature,
  contextTokens,
  ...common,
});

const commandSchema = z.strictObject({
  kind: z.literal('command'),
  command: z
    .array(z.string())
    .min(1)
    .describe(
      'The command and its arguments; {promptFile} stands for a file with the prompt. Without it, stdin is the prompt.',
    ),
  environment: z
    .array(z.string())
    .default([])
    .describe('Names of environment variables it may see, besides PATH, HOME, LANG and TERM.'),
  check: z.array(z.string()).min(1).optional().describe('A command that ends with 0 when the agent is usable.'),
  ...common,
});

const humanSchema = z.strictObject({
  kind: z.literal('human'),
  editor: z.array(z.string()).min(1).optional().describe('Default: $VISUAL, $EDITOR, or vi.'),
  ...common,
});

const agentSchema = z.discriminatedUnion('kind', [
  geminiSchema,
  openAiCompatibleSchema,
  pixelLlmSchema,
  commandSchema,
  humanSchema,
]);

const budgetSchema = z
  .strictObject({
    perCall: z.number().min(0).default(0.25),
    perTask: z.number().min(0).default(0.5),
    perRun: z.number().min(0).default(2),
    perDay: z.number().min(0).default(5),
  })
  .describe('Limits in dollars. A call that could pass one is not made.');

const insidePath = z
  .string()
  .refine(
    (path) => !/^\/|\\/.test(path) && path.split('/').every((part) => !['', '.', '..'].includes(part)),
    'a folder inside the repository, without "..", "\\" or a leading "/"',
  );

const sandboxSchema = z
  .strictObject({
    kind: z.enum(['auto', 'bubblewrap', 'container']).default('auto'),
    container: z
      .strictObject({
        command: z.enum(['podman', 'docker']).default('podman'),
        image: z.string().min(1).default('docker.io/library/node:24-bookworm-slim'),
      })
      .optional(),
    readOnly: z.array(z.string()).default([]).describe('More folders of this machine that tests may read.'),
    writable: z
      .array(insidePath)
      .default([])
      .describe(
        'Folders of the repository that tests may write, for example "dist": empty at the start, gone at the end.',
      ),
    gpu: z.boolean().default(false).describe('Let tests use /dev/dri.'),
    timeoutSeconds: z.number().min(1).max(86_400).default(300),
    memoryMegabytes: z.int().min(64).default(4096),
    processes: z.int().min(8).default(512),
    fileMegabytes: z.int().min(1).default(1024),
  })
  .describe('What a test command may use. It never has a network.');

export const configSchema: z.ZodType<CoachConfig> = z
  .strictObject({
    $schema: z.string().optional(),
    roadmap: z.string().min(1).default('coach.roadmap.yaml').describe('The tasks, relative to this file.'),
    mode: z.enum(COACH_MODES).default('generate+review'),
    agents: z.record(name, agentSchema).describe('Who can be asked, by name.'),
    generators: z
      .array(name)
      .default([])
      .describe('Who writes. The first usable one is taken; the others are its fallbacks.'),
    reviewers: z
      .array(name)
      .default([])
      .describe('Who reviews. The first usable one is taken; the others are its fallbacks.'),
    threshold: z.int().min(1).max(10).default(8).describe('The least score that is accepted.'),
    medianBand: z
      .number()
      .min(0)
      .max(9)
      .default(1)
      .describe('A first score within this distance of the threshold is asked for twice more; the median counts.'),
    maxAttempts: z.int().min(1).max(100).default(3),
    workers: z.int().min(1).max(64).default(1),
    budget: budgetSchema.prefault({}),
    prices: z
      .record(z.string(), priceSchema)
      .default({})
      .describe('Prices by model name; they win over the price table.'),
    retries: z
      .strictObject({
        attempts: z.int().min(1).max(20).default(5),
        baseSeconds: z.number().min(0).max(3600).default(1),
        maxSeconds: z.number().min(0).max(3600).default(60),
      })
      .describe('How often a call is repeated when the server is busy or the network fails. No attempt is used up.')
      .prefault({}),
    protectedPaths: z
      .array(z.string())
      .default([])
      .describe('Globs that no attempt may write, besides those that never may.'),
    hiddenPaths: z
      .array(z.string())
      .default([])
      .describe('Globs of hidden tests: no model is shown them, besides **/*.hidden.* and **/hidden-tests/**.'),
    sandbox: sandboxSchema.prefault({}),
    log: z
      .strictObject({
        level: z.enum(LOG_LEVELS).default('info'),
      })
      .prefault({}),
  })
  .superRefine((config, context) => {
    for (const role of ['generators', 'reviewers'] as const) {
      for (const [index, agent] of config[role].entries()) {
        if (Object.hasOwn(config.agents, agent)) continue;
        const known = Object.keys(config.agents).join(', ') || 'none';
        context.addIssue({
          code: 'custom',
          path: [role, index],
          message: `there is no agent "${agent}" (known: ${known})`,
        });
      }
    }
  });
