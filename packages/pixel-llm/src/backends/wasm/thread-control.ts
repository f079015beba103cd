/**
 * The few shared integers through which threads are told what to do and wait for each other. Waiting spins for a moment, since the
 * others are nearly always about to come, and then sleeps.
 */

/** Indices into the shared Int32Array. */
export const CONTROL = {
  /** Counts commands; threads sleep on it between them. */
  command: 0,
  /** What the command is: one of COMMANDS. */
  kind: 1,
  /** The command's operands. */
  first: 2,
  second: 3,
  /** Threads that have finished the command, and the last command that all have. */
  finished: 4,
  done: 5,
  /** Threads that have arrived at the barrier, and how many barriers have been passed. */
  arrived: 6,
  passed: 7,
  /** 1 when the step is to be given up; and whether the last barrier passed said so to all. */
  abort: 8,
  isAborted: 9,
  /** 1 when a thread is lost: nobody waits any longer. */
  failed: 10,
} as const;

export const COMMANDS = { run: 1, copyPage: 2, stop: 3 } as const;

export const CONTROL_BYTES = 64;

/** Looks at a change this many times before it sleeps: some microseconds. */
const SPINS = 4000;

/** Thrown where the step was given up (`isLost`: for good) and the thread has to get out of it. */
export class StepGivenUp extends Error {
  readonly isLost: boolean;

  constructor(isLost: boolean) {
    super('The step was given up.');
    this.isLost = isLost;
  }
}

/** Waits until control[index] is no longer `value`. Throws StepGivenUp when a thread is lost. */
export function waitWhile(control: Int32Array<SharedArrayBuffer>, index: number, value: number): void {
  for (let spin = 0; spin < SPINS && Atomics.load(control, index) === value; spin++);
  for (;;) {
    // Looked at before each sleep: who comes here after giveUp has woken the others would never be woken.
    if (Atomics.load(control, CONTROL.failed)) throw new StepGivenUp(true);
    if (Atomics.load(control, index) !== value) return;
    Atomics.wait(control, index, value);
  }
}

/** Returns when all threads have come here. What they wrote before is then there for all. Throws StepGivenUp in all alike. */
export function passBarrier(control: Int32Array<SharedArrayBuffer>, threads: number): void {
  const passed = Atomics.load(control, CONTROL.passed);
  if (Atomics.add(control, CONTROL.arrived, 1) + 1 === threads) {
    Atomics.store(control, CONTROL.arrived, 0);
    // Decided once, by the last to come, so that no thread goes on alone.
    Atomics.store(control, CONTROL.isAborted, Atomics.load(control, CONTROL.abort));
    Atomics.add(control, CONTROL.passed, 1);
    Atomics.notify(control, CONTROL.passed);
  } else {
    waitWhile(control, CONTROL.passed, passed);
  }
  if (Atomics.load(control, CONTROL.isAborted)) throw new StepGivenUp(false);
}

/** Wakes everybody who waits, now or later: a thread is lost. */
export function giveUp(control: Int32Array<SharedArrayBuffer>): void {
  Atomics.store(control, CONTROL.failed, 1);
  for (const index of [CONTROL.passed, CONTROL.command, CONTROL.done]) {
    Atomics.add(control, index, 1);
    Atomics.notify(control, index);
  }
}
