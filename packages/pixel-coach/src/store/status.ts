/** What state a task can be in, and which changes are legal: the one table that every store enforces. */

export const TASK_STATUSES = [
  /** Waits for the tasks it depends on. */
  'pending',
  /** Can be claimed. */
  'ready',
  /** A worker holds its lease. */
  'running',
  /** The coach has come to an end with it; a person decides. */
  'needs_human',
  /** A person has set it aside. */
  'blocked',
  'done',
  /** A person has given it up, or it cannot be worked on at all. */
  'failed',
  'cancelled',
] as const;

export type TaskStatus = (typeof TASK_STATUSES)[number];

/** From each status, the ones it may change into. */
export const TRANSITIONS: Readonly<Record<TaskStatus, readonly TaskStatus[]>> = {
  pending: ['ready', 'blocked', 'cancelled'],
  ready: ['running', 'pending', 'blocked', 'cancelled', 'needs_human'],
  running: ['done', 'needs_human', 'ready', 'pending', 'failed', 'blocked', 'cancelled'],
  needs_human: ['ready', 'pending', 'done', 'failed', 'blocked', 'cancelled'],
  blocked: ['ready', 'pending', 'cancelled'],
  done: ['ready', 'pending'],
  failed: ['ready', 'pending', 'cancelled'],
  cancelled: ['ready', 'pending'],
};

export function isLegal(from: TaskStatus, to: TaskStatus): boolean {
  return TRANSITIONS[from].includes(to);
}
