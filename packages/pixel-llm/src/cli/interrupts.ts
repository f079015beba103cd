/** Ctrl-C for commands that go on after it: a process has one SIGINT, so this is one place for all. */

let handler: (() => boolean) | undefined;

/** Until what this returns is disposed of, Ctrl-C calls the handler; where that returns false, the whole command ends as any other. */
export function takeInterrupts(taken: () => boolean): Disposable {
  handler = taken;
  return {
    [Symbol.dispose]: () => {
      handler = undefined;
    },
  };
}

/** For main.ts: whether a command has taken this Ctrl-C for itself. */
export function interruptIsTaken(): boolean {
  return handler?.() ?? false;
}
