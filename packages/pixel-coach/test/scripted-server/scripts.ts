/** Scripts for failures of servers; what models write as solutions is in models.ts. */
import type { Script } from './script.ts';

/** Always this text. */
export function always(text: string): Script {
  return () => ({ kind: 'text', text });
}

/** A status for the first calls, then another script (its turns begin at 0 then). */
export function firstStatus(
  times: number,
  status: number,
  then: Script,
  headers: Readonly<Record<string, string>> = {},
): Script {
  return (request, turn) => (turn < times ? { kind: 'status', status, headers } : then(request, turn - times));
}

export const goodReview: Script = always(
  JSON.stringify({ score: 9, mustFix: [], niceToHave: ['A shorter name.'], summary: 'Does what it should.' }),
);
