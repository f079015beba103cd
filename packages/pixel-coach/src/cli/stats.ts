/** `pixel-coach stats`: calls, tokens, time, money and success, by task, model, agent, phase or day. */
import { Option } from 'commander';
import { formatAmount } from '../core/money.ts';
import { PRICE_TABLE } from '../money/price-table.ts';
import {
  GROUPINGS,
  type Grouping,
  gatherFacts,
  groupStatistics,
  type StatisticsRow,
  totalStatistics,
} from '../report/statistics.ts';
import { statisticsColumns } from '../report/statistics-columns.ts';
import { formatTable } from '../report/table.ts';
import { addCommonFlags, type CommandContext, type CommonFlags, emit, type RegisterCommand } from './command.ts';
import { openProject } from './project.ts';

interface StatsFlags extends CommonFlags {
  readonly by?: Grouping;
  readonly run?: string;
}

export const registerStats: RegisterCommand = (program, context) => {
  addCommonFlags(
    program
      .command('stats')
      .description('Calls, tokens, time, money and success.')
      .addOption(new Option('--by <what>', 'one row for each').choices(GROUPINGS).default('model'))
      .option('--run <id>', 'only of this run ("last" is the newest)'),
  )
    .addHelpText(
      'after',
      '\nExamples:\n  pixel-coach stats --by phase\n  pixel-coach stats --by task --run last --json',
    )
    .action((flags: StatsFlags) => showStats(flags, context));
};

async function showStats({ by = 'model', run, ...flags }: StatsFlags, context: CommandContext): Promise<void> {
  await using project = await openProject(context, flags);
  const { store } = project;
  const runId = run === 'last' ? (await store.listRuns(1))[0]?.id : run;
  if (runId !== undefined) await store.getRun(runId);
  const facts = await gatherFacts(store, runId === undefined ? {} : { runId });
  const rows = groupStatistics(facts, by);
  const total = totalStatistics(facts);
  const prices = `${PRICE_TABLE.name} ${PRICE_TABLE.version} of ${PRICE_TABLE.date}`;
  const text = rows.length === 0 ? 'Nothing was called yet.' : statsText(rows, total, by, context.columns, prices);
  await emit(context, flags, { by, run: runId ?? null, prices, rows, total }, text);
}

function statsText(
  rows: readonly StatisticsRow[],
  total: StatisticsRow,
  by: Grouping,
  width: number | undefined,
  prices: string,
): string {
  const held = total.reserved > 0 ? `\nHeld besides, by calls under way or lost: ${formatAmount(total.reserved)}.` : '';
  return `${formatTable(statisticsColumns(by), [...rows, total], width)}\n\nPrices: ${prices}, and those of the configuration.${held}`;
}
