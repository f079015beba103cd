/** Database rows as the objects of types.ts. Columns are named after the fields, with underscores; lists and objects are JSON. */
import type { Row } from './database.ts';
import type { Attempt, Call, Change, Cost, Lineage, Review, Run, Task } from './types.ts';

const JSON_COLUMNS = new Set([
  'paths',
  'context',
  'dependencies',
  'files',
  'test',
  'must_fix',
  'nice_to_have',
  'usage',
  'options',
]);
const BOOLEAN_COLUMNS = new Set(['unproven', 'best', 'paid']);
/** The store's own bookkeeping. */
const HIDDEN_COLUMNS = new Set(['open_dependencies', 'lease_run']);
const RENAMED: Readonly<Record<string, string>> = { from_status: 'from', to_status: 'to' };

const fieldNames = new Map<string, string>();

// Each table's columns are exactly the fields of its type, which the conformance suite checks by reading everything back.
export const taskOf = (row: Row): Task => fieldsOf(row) as unknown as Task;
export const attemptOf = (row: Row): Attempt => fieldsOf(row) as unknown as Attempt;
export const reviewOf = (row: Row): Review => fieldsOf(row) as unknown as Review;
export const callOf = (row: Row): Call => fieldsOf(row) as unknown as Call;
export const costOf = (row: Row): Cost => fieldsOf(row) as unknown as Cost;
export const runOf = (row: Row): Run => fieldsOf(row) as unknown as Run;
export const lineageOf = (row: Row): Lineage => fieldsOf(row) as unknown as Lineage;
export const changeOf = (row: Row): Change => fieldsOf(row) as unknown as Change;

export function columnOf(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** A field's value as SQLite stores it. */
export function storedValue(value: unknown): string | number | null {
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (value === null || typeof value === 'string' || typeof value === 'number') return value;
  return JSON.stringify(value);
}

function fieldsOf(row: Row): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const column in row) {
    if (HIDDEN_COLUMNS.has(column)) continue;
    const value = row[column];
    fields[fieldName(column)] = JSON_COLUMNS.has(column)
      ? parse(value)
      : BOOLEAN_COLUMNS.has(column)
        ? value === 1
        : value;
  }
  return fields;
}

function parse(value: unknown): unknown {
  return typeof value === 'string' ? JSON.parse(value) : value;
}

function fieldName(column: string): string {
  let name = fieldNames.get(column);
  if (name === undefined) {
    name = RENAMED[column] ?? column.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    fieldNames.set(column, name);
  }
  return name;
}
