/** `pixel-coach agents`: who can be asked, what was tried to find out, what it costs, and what to do about those that cannot. */
import type { Availability } from '../agents/types.ts';
import type { CoachConfig } from '../config/config.ts';
import { formatTable } from '../report/table.ts';
import { addCommonFlags, type CommandContext, type CommonFlags, emit, type RegisterCommand } from './command.ts';
import { EXIT_CODES } from './failure.ts';
import { openProject } from './project.ts';

export interface AgentReport extends Availability {
  readonly name: string;
  readonly kind: string;
  readonly model: string;
  /** "writes", "reviews", "writes, reviews" or "-". */
  readonly role: string;
  readonly price: string;
  readonly contextTokens: number | null;
}

export const registerAgents: RegisterCommand = (program, context) => {
  addCommonFlags(program.command('agents').description('The agents: which can be used, and why others cannot.'))
    .addHelpText(
      'after',
      '\nExits with 3 when no agent that should write can be used.\n\nExamples:\n  pixel-coach agents\n  pixel-coach agents --json',
    )
    .action((flags: CommonFlags) => showAgents(flags, context));
};

async function showAgents(flags: CommonFlags, context: CommandContext): Promise<void> {
  await using project = await openProject(context, flags);
  const reports = await reportAgents(project.config, project.folder, context);
  await emit(context, flags, reports, agentText(reports, project.config, context.columns));
  const { generators } = project.config;
  if (!reports.some(({ name, usable }) => usable && generators.includes(name))) context.endWith(EXIT_CODES.noAgent);
}

/** Asks all agents of the configuration at once. */
export async function reportAgents(
  config: CoachConfig,
  folder: string,
  { environment, signal }: Pick<CommandContext, 'environment' | 'signal'>,
): Promise<AgentReport[]> {
  // The libraries of models are large: other commands start without them.
  const { createAgents } = await import('../agents/create-agents.ts');
  const { createPriceList } = await import('../agents/price-list.ts');
  const agents = createAgents(config, { folder, environment });
  const prices = createPriceList(config);
  return Promise.all(
    [...agents.values()].map(async (agent) => {
      const found = await agent.availability(signal);
      const price = prices.pricingOf(agent.name);
      const refused = found.usable && !price;
      return {
        name: agent.name,
        kind: agent.kind,
        model: agent.model,
        role: roleOf(agent.name, config),
        price: price?.source ?? 'unknown',
        contextTokens: agent.contextTokens ?? null,
        ...found,
        ...(refused && {
          usable: false,
          reason: `No price is known for ${agent.model}, and without one it is not called.`,
          remedy: `Give one: "agents": {"${agent.name}": {"price": {"input": 1, "output": 4}}}, or "price": "free".`,
        }),
      };
    }),
  );
}

function roleOf(name: string, { generators, reviewers }: CoachConfig): string {
  const roles = [...(generators.includes(name) ? ['writes'] : []), ...(reviewers.includes(name) ? ['reviews'] : [])];
  return roles.join(', ') || '-';
}

function agentText(reports: readonly AgentReport[], { mode }: CoachConfig, width: number | undefined): string {
  if (reports.length === 0) return 'The configuration names no agents.';
  const table = formatTable<AgentReport>(
    [
      { title: 'agent', value: ({ name }) => name },
      { title: 'usable', value: ({ usable }) => (usable ? 'yes' : 'no') },
      { title: 'role', value: ({ role }) => role },
      { title: 'kind', value: ({ kind }) => kind },
      { title: 'model', value: ({ model }) => model, flexible: true },
    ],
    reports,
    width,
  );
  const details = reports.map(({ name, usable, reason, remedy, tried, price, contextTokens }) =>
    [
      `${name}: ${reason}`,
      ...(usable ? [] : [`  to do  ${remedy}`]),
      `  tried  ${tried}`,
      `  price  ${price}`,
      ...(contextTokens === null ? [] : [`  reads  ${contextTokens} tokens`]),
    ].join('\n'),
  );
  return [table, `Mode: ${mode}.`, ...details].join('\n\n');
}
