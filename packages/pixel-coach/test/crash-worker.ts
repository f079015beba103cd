/**
 * A coach in a process of its own that kills itself (SIGKILL) at one of its steps: node crash-worker.ts FOLDER KILL_AT. Steps are both
 * sides of every call of the store that writes, both sides of moving the branch, and the middle of every call of an agent. It appends
 * a line to calls.log for each call that an agent really got, and writes the number of its steps, and which
 * of them are at the branch, to stdout when it survives.
 */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCoach } from '../src/loop/coach.ts';
import { openSqliteStore } from '../src/store/sqlite-store.ts';
import type { Store } from '../src/store/types.ts';
import { openRepository } from '../src/workspace/repository.ts';
import { fileAnswer, PRICES, reviewOf, scriptedAgent } from './loop-of.ts';
import { sandbox } from './sandbox-here.ts';

const [folder = '', killAt = '0'] = process.argv.slice(2);
const READS = /^(get|list|next|is)|^Symbol/;
let steps = 0;
const atBranch: number[] = [];

function step(): void {
  if (++steps === Number(killAt)) process.kill(process.pid, 'SIGKILL');
}

function watched(store: Store): Store {
  return new Proxy(store, {
    get(target, name) {
      const method = Reflect.get(target, name, target);
      if (typeof method !== 'function') return method;
      if (typeof name === 'symbol' || READS.test(name)) return method.bind(target);
      return async (...parameters: unknown[]) => {
        step();
        if (name === 'accept') parameters[3] = watchedPublish(parameters[3] as { publish: () => void });
        const result = await method.apply(target, parameters);
        step();
        return result;
      };
    },
  });
}

function watchedPublish<Options extends { publish: () => void }>(options: Options): Options {
  const publish = (): void => {
    step();
    atBranch.push(steps);
    options.publish();
    step();
    atBranch.push(steps);
  };
  return { ...options, publish };
}

/** The first answer for a file is wrong, later ones are right: so feedback is walked through too. */
const writer = scriptedAgent(
  'writer',
  [
    (prompt) => {
      appendFileSync(join(folder, 'calls.log'), 'generate\n');
      step();
      const path = /Files you may write\n\n(\S+)/.exec(prompt)?.[1] ?? '';
      const again = prompt.includes('What was said of earlier attempts');
      return fileAnswer(path, again ? 'export const right = 1;' : 'export const wrong = 1;');
    },
  ],
  { paid: true },
);
const reviewer = scriptedAgent(
  'reviewer',
  [
    () => {
      appendFileSync(join(folder, 'calls.log'), 'review\n');
      step();
      return reviewOf(10);
    },
  ],
  { paid: true },
);

await using store = openSqliteStore(join(folder, '.pixel-coach', 'coach.db'));
await runCoach({
  store: watched(store),
  repository: await openRepository(folder),
  tests: { sandbox },
  prices: PRICES,
  team: () => ({ generators: [writer], reviewers: [reviewer] }),
});
console.log(JSON.stringify({ steps, atBranch }));
