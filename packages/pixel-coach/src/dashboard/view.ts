/** The dashboard as Ink elements: a function of a snapshot, the chosen line and the size of the terminal. No JSX: Node runs this file as it is. */
import { Box, Text } from 'ink';
import { createElement, type ReactElement, type ReactNode } from 'react';
import { cleanLine, cleanText, shorten } from '../core/clean-text.ts';
import { formatAmount } from '../core/money.ts';
import type { TaskStatus } from '../store/status.ts';
import type { PhaseSummary, Task } from '../store/types.ts';
import type { Snapshot } from './snapshot.ts';

export interface ViewState {
  readonly snapshot: Snapshot;
  readonly chosen: string | undefined;
  /** The answer to the last key. */
  readonly message: string;
  readonly columns: number;
  readonly rows: number;
}

const COLORS: Readonly<Partial<Record<TaskStatus, string>>> = {
  running: 'cyan',
  needs_human: 'yellow',
  done: 'green',
  failed: 'red',
};
const KEYS = '↑↓ choose  p pause  s skip  a approve  r retry  q quit';
const BAR_CELLS = 20;
const MAX_PHASES = 8;
/** Lines that are always there: head, rules, costs, message, keys. */
const FIXED_ROWS = 10;

export function Dashboard({ snapshot, chosen, message, columns, rows }: ViewState): ReactElement {
  const phases = snapshot.phases.slice(0, MAX_PHASES);
  const free = Math.max(6, rows - FIXED_ROWS - phases.length);
  const taskRows = Math.min(snapshot.tasks.length, Math.ceil(free / 2));
  return createElement(
    Box,
    { flexDirection: 'column', width: columns },
    head(snapshot, columns),
    ...phases.map((phase) => phaseLine(phase, columns)),
    rule('tasks', columns),
    ...taskLines(snapshot.tasks, chosen, taskRows, columns),
    ...liveLines(snapshot, free - taskRows, columns),
    rule('money', columns),
    costLine('run', snapshot.runCost?.settled ?? 0, snapshot.runCost?.reserved ?? 0, snapshot.runLimit),
    costLine('today', snapshot.dayCost.settled, snapshot.dayCost.reserved, snapshot.dayLimit),
    line(shorten(message, columns), { color: 'yellow' }),
    line(shorten(KEYS, columns), { dimColor: true }),
  );
}

interface LineStyle {
  readonly color?: string;
  readonly dimColor?: boolean;
  readonly bold?: boolean;
  readonly inverse?: boolean;
}

function line(text: ReactNode, style: LineStyle = {}): ReactElement {
  return createElement(Text, { wrap: 'truncate-end', ...style }, text === '' ? ' ' : text);
}

function head({ run, paused, at }: Snapshot, columns: number): ReactElement {
  const what = run ? `run ${run.id}, ${run.status}, on ${run.branch}` : 'nothing has run yet';
  const time = at.toTimeString().slice(0, 8);
  const text = shorten(`pixel-coach  ${paused ? 'PAUSED  ' : ''}${what}`, columns - time.length - 2);
  return line(text + ' '.repeat(Math.max(1, columns - [...text].length - time.length)) + time, { bold: true });
}

function rule(title: string, columns: number): ReactElement {
  return line(`── ${title} ${'─'.repeat(Math.max(0, columns - title.length - 4))}`, { dimColor: true });
}

function phaseLine({ phase, total, byStatus }: PhaseSummary, columns: number): ReactElement {
  const counts = [
    `${byStatus.done}/${total} done`,
    ...(['running', 'needs_human', 'failed', 'blocked'] as const).flatMap((status) =>
      byStatus[status] > 0 ? [`${byStatus[status]} ${status.replace('_', ' ')}`] : [],
    ),
  ].join(', ');
  const name = shorten(phase, 24).padEnd(24);
  return line(shorten(`${name} ${bar(total === 0 ? 0 : byStatus.done / total)} ${counts}`, columns));
}

function taskLines(tasks: readonly Task[], chosen: string | undefined, most: number, columns: number): ReactElement[] {
  if (tasks.length === 0) return [line('Nothing runs, waits or comes next.', { dimColor: true })];
  const at = Math.max(
    0,
    tasks.findIndex(({ id }) => id === chosen),
  );
  const first = Math.min(Math.max(0, at - most + 1), Math.max(0, tasks.length - most));
  return tasks.slice(first, first + most).map((task) => {
    const { id, status, title, reason } = task;
    const about = status === 'needs_human' ? reason : title;
    const text = `${id === chosen ? '>' : ' '} ${shorten(id, 24).padEnd(24)} ${status.padEnd(11)} ${cleanLine(about)}`;
    const color = COLORS[status];
    return line(shorten(text, columns), { ...(color !== undefined && { color }), inverse: id === chosen });
  });
}

function liveLines({ live }: Snapshot, most: number, columns: number): ReactElement[] {
  if (!live) return [];
  const { taskId, number, agent, status, stage } = live.attempt;
  const title = `${shorten(taskId, 32)}, attempt ${number} by ${agent}: ${status === 'running' ? stage : status}`;
  const text = cleanText(live.text)
    .replaceAll('\t', '  ')
    .split('\n')
    .flatMap((each) => wrap(each, columns - 2));
  return [
    rule(shorten(title, columns - 8), columns),
    ...text.slice(-Math.max(1, most - 1)).map((each) => line(`  ${each}`)),
  ];
}

function wrap(text: string, width: number): string[] {
  const letters = [...text];
  const lines = [];
  for (let at = 0; at === 0 || at < letters.length; at += width) lines.push(letters.slice(at, at + width).join(''));
  return lines;
}

function costLine(name: string, settled: number, reserved: number, limit: number): ReactElement {
  const share = limit === 0 ? 0 : (settled + reserved) / limit;
  const held = reserved > 0 ? ` + ${formatAmount(reserved)} held` : '';
  const color = share > 0.9 ? 'red' : share > 0.6 ? 'yellow' : 'green';
  return line(`${name.padEnd(6)} ${bar(share)} ${formatAmount(settled)}${held} of ${formatAmount(limit)}`, { color });
}

function bar(share: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * BAR_CELLS);
  return '█'.repeat(filled) + '░'.repeat(BAR_CELLS - filled);
}
