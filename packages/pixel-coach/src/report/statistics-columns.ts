/** The columns of statistics, the same on the terminal and in the report. */
import { formatAmount } from '../core/money.ts';
import type { StatisticsRow } from './statistics.ts';
import type { Column } from './table.ts';

export function statisticsColumns(title: string): Column<StatisticsRow>[] {
  return [
    { title, value: ({ key }) => key, flexible: true },
    { title: 'calls', value: ({ calls }) => String(calls), right: true },
    { title: 'in', value: ({ inputTokens }) => String(inputTokens), right: true },
    { title: 'cached', value: ({ cachedTokens }) => String(cachedTokens), right: true },
    { title: 'out', value: ({ outputTokens }) => String(outputTokens), right: true },
    { title: 'seconds', value: ({ milliseconds }) => (milliseconds / 1000).toFixed(1), right: true },
    { title: 'cost', value: ({ cost }) => formatAmount(cost), right: true },
    { title: 'accepted', value: (row) => `${row.accepted}/${row.attempts}`, right: true },
    { title: 'rate', value: ({ acceptanceRate }) => percent(acceptanceRate), right: true },
    { title: '1st try', value: ({ firstTryRate }) => percent(firstTryRate), right: true },
  ];
}

function percent(rate: number | null): string {
  return rate === null ? '-' : `${Math.round(rate * 100)} %`;
}
