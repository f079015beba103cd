/** Tasks, their dependencies and the log of their changes. Everything here runs inside a transaction of the caller. */
import { CoachError } from '../core/errors.ts';
import type { Database, Row } from './database.ts';
import { columnOf, storedValue, taskOf } from './rows.ts';
import { isLegal, TASK_STATUSES, type TaskStatus } from './status.ts';
import type { Author, PhaseSummary, Task, TaskDefinition, TaskFilter } from './types.ts';

const DEFAULT_LIST_LENGTH = 1000;

/** A task with its dependencies' ids, which stand in a table of their own. */
const SELECT_TASK = `SELECT tasks.*, (
    SELECT json_group_array(needed.id ORDER BY needed.sequence)
    FROM dependencies JOIN tasks AS needed ON needed.sequence = dependencies.needs
    WHERE dependencies.task = tasks.sequence
  ) AS dependencies FROM tasks`;

export interface StatusChange {
  readonly to: TaskStatus;
  readonly author: Author;
  /** Further columns to set with it. */
  readonly also?: Readonly<Record<string, string | number | null>>;
}

export function findTask(database: Database, id: string): Task {
  const row = database.get(`${SELECT_TASK} WHERE tasks.id = ?`, id);
  if (row === undefined)
    throw new CoachError('unknown-task', `There is no task "${id}". pixel-coach list-tasks shows all of them.`);
  return taskOf(row);
}

export function listTasks(
  database: Database,
  { phase, status, limit = DEFAULT_LIST_LENGTH, after = 0 }: TaskFilter,
): Task[] {
  const conditions = ['tasks.sequence > ?'];
  const parameters: (string | number)[] = [after];
  for (const [column, value] of Object.entries({ phase, status })) {
    if (value === undefined) continue;
    conditions.push(`tasks.${column} = ?`);
    parameters.push(value);
  }
  const order = `WHERE ${conditions.join(' AND ')} ORDER BY tasks.sequence LIMIT ?`;
  return database.all(`${SELECT_TASK} ${order}`, ...parameters, limit).map(taskOf);
}

/** Ready tasks in the order of claims. One query a phase, so that each is answered from an index. */
export function readyTasks(database: Database, now: number, limit: number, phases?: readonly string[]): Task[] {
  const order = 'ORDER BY tasks.priority DESC, tasks.sequence LIMIT ?';
  // Named, because without statistics the planner takes the index by status, and sorts all that is ready.
  const ready = (index: string): string =>
    `${SELECT_TASK} INDEXED BY ${index} WHERE tasks.status = 'ready' AND tasks.not_before <= ?`;
  if (phases === undefined) return database.all(`${ready('tasks_ready')} ${order}`, now, limit).map(taskOf);
  return phases
    .flatMap((phase) =>
      database.all(`${ready('tasks_ready_in_phase')} AND tasks.phase = ? ${order}`, now, phase, limit),
    )
    .map(taskOf)
    .toSorted((a, b) => b.priority - a.priority || a.sequence - b.sequence)
    .slice(0, limit);
}

export function listPhases(database: Database): PhaseSummary[] {
  const phases = new Map<string, { phase: string; total: number; byStatus: Record<TaskStatus, number> }>();
  const rows = database.all('SELECT phase, status, count(*) AS count FROM tasks GROUP BY phase, status ORDER BY phase');
  for (const row of rows) {
    const phase = String(row.phase);
    const none = Object.fromEntries(TASK_STATUSES.map((status) => [status, 0])) as Record<TaskStatus, number>;
    const summary = phases.get(phase) ?? { phase, total: 0, byStatus: none };
    summary.byStatus[row.status as TaskStatus] = Number(row.count);
    summary.total += Number(row.count);
    phases.set(phase, summary);
  }
  return [...phases.values()];
}

export function insertTasks(database: Database, tasks: readonly TaskDefinition[], author: Author, now: number): void {
  for (const task of tasks) {
    if (database.get('SELECT 1 FROM tasks WHERE id = ?', task.id) !== undefined)
      throw new CoachError('task-exists', `There is a task "${task.id}" already. edit-task changes it.`);
    const { dependencies: _, ...columns } = task;
    const values = {
      ...columns,
      status: 'pending',
      reason: author.why,
      openDependencies: 0,
      createdAt: now,
      updatedAt: now,
    };
    insertRow(database, 'tasks', values);
    logChange(database, task.id, null, 'pending', author, now);
  }
  // After all of them are there, so that their order in a roadmap does not matter.
  for (const task of tasks) setDependencies(database, task.id, task.dependencies);
  refuseCircles(
    database,
    tasks.map((task) => task.id),
  );
  for (const task of tasks) settleReadiness(database, findTask(database, task.id), author, now);
}

export function editTask(
  database: Database,
  id: string,
  edits: Partial<Omit<TaskDefinition, 'id'>>,
  author: Author,
  now: number,
): void {
  const { dependencies, ...columns } = edits;
  const entries = Object.entries(columns).filter(([, value]) => value !== undefined);
  const assignments = entries.map(([field]) => `"${columnOf(field)}" = ?`);
  database.run(
    `UPDATE tasks SET ${[...assignments, 'version = version + 1', 'updated_at = ?'].join(', ')} WHERE id = ?`,
    ...entries.map(([, value]) => storedValue(value)),
    now,
    id,
  );
  if (dependencies === undefined) return;
  setDependencies(database, id, dependencies);
  refuseCircles(database, [id]);
  settleReadiness(database, findTask(database, id), author, now);
}

/** Changes a task's status if the table of transitions allows it, logs it, and wakes or stops the tasks that depend on it. */
export function changeStatus(
  database: Database,
  task: Task,
  { to, author, also = {} }: StatusChange,
  now: number,
): void {
  if (!isLegal(task.status, to))
    throw new CoachError('illegal-transition', `Task "${task.id}" is ${task.status} and cannot become ${to}.`, {
      details: { task: task.id, from: task.status, to },
    });
  const columns = { status: to, reason: author.why, ...also };
  const assignments = Object.keys(columns).map((column) => `${column} = ?`);
  database.run(
    `UPDATE tasks SET ${assignments.join(', ')}, version = version + 1, updated_at = ? WHERE id = ?`,
    ...Object.values(columns),
    now,
    task.id,
  );
  logChange(database, task.id, task.status, to, author, now);
  if (to === 'done' || task.status === 'done') updateDependents(database, task, to === 'done', now);
}

/** True when every task that this one depends on is done. */
export function dependenciesAreDone(database: Database, id: string): boolean {
  return database.get('SELECT open_dependencies AS open FROM tasks WHERE id = ?', id)?.open === 0;
}

export function insertRow(database: Database, table: string, fields: Readonly<Record<string, unknown>>): number {
  const columns = Object.keys(fields).map((field) => `"${columnOf(field)}"`);
  const places = columns.map(() => '?').join(', ');
  const values = Object.values(fields).map(storedValue);
  return database.run(`INSERT INTO ${table} (${columns.join(', ')}) VALUES (${places})`, ...values).lastInsertRowid;
}

function updateDependents(database: Database, task: Task, done: boolean, now: number): void {
  const dependents = database.all('SELECT task FROM dependencies WHERE needs = ?', task.sequence);
  const why = done ? `its dependency ${task.id} is done` : `its dependency ${task.id} was opened again`;
  for (const { task: sequence } of dependents) {
    const step = done ? -1 : 1;
    database.run(
      'UPDATE tasks SET open_dependencies = open_dependencies + ? WHERE sequence = ?',
      step,
      Number(sequence),
    );
    const row = database.get(`${SELECT_TASK} WHERE tasks.sequence = ?`, Number(sequence)) as Row;
    settleReadiness(database, taskOf(row), { who: 'store', why }, now);
  }
}

/** pending <-> ready, as the open dependencies say. */
function settleReadiness(database: Database, task: Task, author: Author, now: number): void {
  const done = dependenciesAreDone(database, task.id);
  if (task.status === 'pending' && done) changeStatus(database, task, { to: 'ready', author }, now);
  if (task.status === 'ready' && !done) changeStatus(database, task, { to: 'pending', author }, now);
}

function setDependencies(database: Database, id: string, dependencies: readonly string[]): void {
  const { sequence } = findTask(database, id);
  database.run('DELETE FROM dependencies WHERE task = ?', sequence);
  let open = 0;
  for (const needed of new Set(dependencies)) {
    const other = database.get('SELECT sequence, status FROM tasks WHERE id = ?', needed);
    if (other === undefined)
      throw new CoachError('unknown-task', `Task "${id}" depends on "${needed}", which does not exist.`);
    database.run('INSERT INTO dependencies VALUES (?, ?)', sequence, Number(other.sequence));
    if (other.status !== 'done') open++;
  }
  database.run('UPDATE tasks SET open_dependencies = ? WHERE sequence = ?', open, sequence);
}

function refuseCircles(database: Database, ids: readonly string[]): void {
  const settled = new Set<number>();
  for (const id of ids) {
    const start = findTask(database, id).sequence;
    const path = new Set<number>();
    // Depth first, without recursion: chains may be as long as the roadmap.
    const stack: { sequence: number; leave: boolean }[] = [{ sequence: start, leave: false }];
    for (let step = stack.pop(); step !== undefined; step = stack.pop()) {
      if (step.leave) {
        path.delete(step.sequence);
        settled.add(step.sequence);
        continue;
      }
      if (path.has(step.sequence)) {
        const name = database.get('SELECT id FROM tasks WHERE sequence = ?', step.sequence)?.id;
        throw new CoachError('bad-roadmap', `Task "${name}" depends on itself, through its dependencies.`);
      }
      if (settled.has(step.sequence)) continue;
      path.add(step.sequence);
      stack.push({ sequence: step.sequence, leave: true });
      for (const { needs } of database.all('SELECT needs FROM dependencies WHERE task = ?', step.sequence))
        stack.push({ sequence: Number(needs), leave: false });
    }
  }
}

function logChange(
  database: Database,
  taskId: string,
  from: TaskStatus | null,
  to: TaskStatus,
  { who, why }: Author,
  at: number,
): void {
  database.run(
    'INSERT INTO changes (task_id, from_status, to_status, who, why, at) VALUES (?, ?, ?, ?, ?, ?)',
    taskId,
    from,
    to,
    who,
    why,
    at,
  );
}
