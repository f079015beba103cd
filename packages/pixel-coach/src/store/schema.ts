/**
 * The tables of the SQLite store, as a list of migrations: entry n brings a database from version n to n + 1 (PRAGMA user_version).
 * An entry that was released is never edited; a change is a new entry.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE tasks (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    phase TEXT NOT NULL,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    action TEXT NOT NULL,
    paths TEXT NOT NULL,
    context TEXT NOT NULL,
    priority INTEGER NOT NULL,
    test_command TEXT,
    hidden_test_command TEXT,
    preferred_agent TEXT,
    max_attempts INTEGER,
    budget INTEGER,
    status TEXT NOT NULL,
    reason TEXT NOT NULL,
    version INTEGER NOT NULL DEFAULT 1,
    attempts_used INTEGER NOT NULL DEFAULT 0,
    open_dependencies INTEGER NOT NULL,
    lease_token INTEGER NOT NULL DEFAULT 0,
    lease_owner TEXT,
    lease_run TEXT,
    lease_expires_at INTEGER,
    not_before INTEGER NOT NULL DEFAULT 0,
    unproven INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX tasks_ready ON tasks (priority DESC, sequence) WHERE status = 'ready';
  CREATE INDEX tasks_ready_in_phase ON tasks (phase, priority DESC, sequence) WHERE status = 'ready';
  CREATE INDEX tasks_running ON tasks (lease_expires_at) WHERE status = 'running';
  CREATE INDEX tasks_by_status ON tasks (status, sequence);
  CREATE INDEX tasks_by_phase ON tasks (phase, sequence);
  CREATE INDEX tasks_by_phase_and_status ON tasks (phase, status, sequence);

  CREATE TABLE dependencies (
    task INTEGER NOT NULL REFERENCES tasks,
    needs INTEGER NOT NULL REFERENCES tasks,
    PRIMARY KEY (task, needs)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX dependents ON dependencies (needs);

  CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    branch TEXT NOT NULL,
    base_commit TEXT NOT NULL,
    status TEXT NOT NULL,
    process_id INTEGER NOT NULL,
    options TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER
  ) STRICT;

  CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    task_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    lease_token INTEGER NOT NULL,
    status TEXT NOT NULL,
    stage TEXT NOT NULL,
    agent TEXT NOT NULL,
    model TEXT NOT NULL,
    base_commit TEXT NOT NULL,
    prompt TEXT NOT NULL DEFAULT '',
    answer TEXT NOT NULL DEFAULT '',
    files TEXT NOT NULL DEFAULT '[]',
    diff TEXT NOT NULL DEFAULT '',
    test_output TEXT NOT NULL DEFAULT '',
    test TEXT,
    feedback TEXT NOT NULL DEFAULT '',
    best INTEGER NOT NULL DEFAULT 0,
    "commit" TEXT,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    UNIQUE (task_id, number)
  ) STRICT;

  CREATE TABLE reviews (
    id INTEGER PRIMARY KEY,
    attempt_id INTEGER NOT NULL REFERENCES attempts,
    task_id TEXT NOT NULL,
    agent TEXT NOT NULL,
    model TEXT NOT NULL,
    score REAL NOT NULL,
    must_fix TEXT NOT NULL,
    nice_to_have TEXT NOT NULL,
    summary TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX reviews_of_task ON reviews (task_id, id);

  CREATE TABLE calls (
    id INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    attempt_id INTEGER NOT NULL,
    phase TEXT NOT NULL,
    purpose TEXT NOT NULL,
    agent TEXT NOT NULL,
    model TEXT NOT NULL,
    paid INTEGER NOT NULL,
    status TEXT NOT NULL,
    reserved INTEGER NOT NULL,
    cost INTEGER,
    usage TEXT,
    error TEXT,
    day TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER
  ) STRICT;
  CREATE INDEX calls_of_task ON calls (task_id, id);
  CREATE INDEX calls_of_run ON calls (run_id, id);
  CREATE INDEX calls_of_day ON calls (day, id);
  CREATE INDEX calls_open ON calls (attempt_id) WHERE status = 'reserved';

  CREATE TABLE costs (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    settled INTEGER NOT NULL DEFAULT 0,
    reserved INTEGER NOT NULL DEFAULT 0,
    calls INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (scope, key)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE lineage (
    "commit" TEXT PRIMARY KEY,
    parent_commit TEXT NOT NULL,
    run_id TEXT NOT NULL,
    branch TEXT NOT NULL,
    task_id TEXT NOT NULL,
    attempt_id INTEGER,
    generator TEXT NOT NULL,
    reviewer TEXT,
    cost INTEGER NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX lineage_of_task ON lineage (task_id);
  CREATE INDEX lineage_of_run ON lineage (run_id);

  CREATE TABLE changes (
    id INTEGER PRIMARY KEY,
    task_id TEXT NOT NULL,
    from_status TEXT,
    to_status TEXT NOT NULL,
    who TEXT NOT NULL,
    why TEXT NOT NULL,
    at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX changes_of_task ON changes (task_id, id);

  CREATE TABLE switches (name TEXT PRIMARY KEY, value TEXT NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL) STRICT;
  CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
  INSERT INTO counters VALUES ('lease', 0);
  `,
];
