/** The dashboard at work: asks the store twice a second, and does what keys say. */
import { render, useApp, useInput, useWindowSize } from 'ink';
import { createElement, type ReactElement, useEffect, useState } from 'react';
import type { CoachConfig } from '../config/config.ts';
import type { Author, Store } from '../store/types.ts';
import { type Snapshot, takeSnapshot } from './snapshot.ts';
import { Dashboard } from './view.ts';

export interface DashboardOptions {
  readonly config: CoachConfig;
  readonly liveFolder: string;
  readonly author: (why: string) => Author;
  /** Accepts the best attempt of a task that needs a person; what became of it. */
  readonly approve: (taskId: string) => Promise<string>;
  readonly signal: AbortSignal;
}

const POLL_MILLISECONDS = 500;

/** Until the user quits or the signal fires. Needs a terminal on stdin and stdout. */
export async function runDashboard(store: Store, options: DashboardOptions): Promise<void> {
  const first = await takeSnapshot(store, { ...options, chosen: undefined });
  const app = render(createElement(LiveDashboard, { store, options, first }), {
    // Over ssh every byte counts: redraw the changed lines only, and rarely.
    incrementalRendering: true,
    maxFps: 10,
    alternateScreen: true,
    exitOnCtrlC: true,
  });
  const stop = (): void => app.unmount();
  options.signal.addEventListener('abort', stop, { once: true });
  await app.waitUntilExit();
  options.signal.removeEventListener('abort', stop);
}

interface LiveProperties {
  readonly store: Store;
  readonly options: DashboardOptions;
  readonly first: Snapshot;
}

function LiveDashboard({ store, options, first }: LiveProperties): ReactElement {
  const { exit } = useApp();
  const { columns, rows } = useWindowSize();
  const [snapshot, setSnapshot] = useState(first);
  const [chosen, setChosen] = useState<string | undefined>(first.tasks[0]?.id);
  const [message, setMessage] = useState('');

  useEffect(() => {
    let ended = false;
    let timer: NodeJS.Timeout | undefined;
    const poll = async (): Promise<void> => {
      try {
        const next = await takeSnapshot(store, { ...options, chosen });
        if (!ended) setSnapshot(next);
      } catch (error) {
        if (!ended) setMessage(messageOf(error));
      }
      if (!ended) timer = setTimeout(poll, POLL_MILLISECONDS);
    };
    void poll();
    return () => {
      ended = true;
      clearTimeout(timer);
    };
  }, [store, options, chosen]);

  const act = (work: () => Promise<string>): void => {
    work().then(setMessage, (error) => setMessage(messageOf(error)));
  };
  useInput((input, key) => {
    if (input === 'q') exit();
    else if (input === 'p') act(() => togglePause(store, options));
    else if (key.upArrow || input === 'k') setChosen(neighbour(snapshot, chosen, -1));
    else if (key.downArrow || input === 'j') setChosen(neighbour(snapshot, chosen, 1));
    else if (chosen === undefined) return;
    else if (input === 's') act(() => setStatus(store, options, chosen, 'blocked', 'skipped in the dashboard'));
    else if (input === 'r') act(() => setStatus(store, options, chosen, 'ready', 'to be tried again'));
    else if (input === 'a') act(() => options.approve(chosen));
  });
  return createElement(Dashboard, { snapshot, chosen, message, columns, rows });
}

async function togglePause(store: Store, { author }: DashboardOptions): Promise<string> {
  const paused = !(await store.isPaused());
  await store.setPaused(paused, author(paused ? 'paused in the dashboard' : 'goes on'));
  return paused ? 'Paused: no new task is begun.' : 'The work goes on.';
}

async function setStatus(
  store: Store,
  { author }: DashboardOptions,
  id: string,
  to: 'blocked' | 'ready',
  why: string,
): Promise<string> {
  const task = await store.setStatus(id, to, author(why));
  return `${id} is ${task.status}.`;
}

function neighbour({ tasks }: Snapshot, chosen: string | undefined, step: number): string | undefined {
  const at = tasks.findIndex(({ id }) => id === chosen);
  return tasks[Math.min(tasks.length - 1, Math.max(0, at + step))]?.id;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
