import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isPixelError } from '../core/errors.ts';
import { PagePool, PageTable } from './page-table.ts';

const PAGE = 4;

/** Pages as the executor would store them: what was written at each position of each page. */
function createStorage(pageCount: number, reclaim?: () => boolean) {
  const cells = Array.from({ length: pageCount }, () => new Array<number>(PAGE).fill(-1));
  const pool = new PagePool(pageCount, PAGE, reclaim);
  let copies = 0;
  const table = new PageTable(pool, async (from, to, tokens) => {
    copies++;
    for (let slot = 0; slot < tokens; slot++) cells[to]![slot] = cells[from]![slot]!;
  });
  return { pool, table, cells, copies: () => copies };
}

function read(cells: number[][], table: PageTable): number[] {
  return Array.from({ length: table.length }, (_, at) => cells[table.pages[Math.floor(at / PAGE)]!]![at % PAGE]!);
}

async function write(cells: number[][], table: PageTable, values: readonly number[]): Promise<void> {
  await table.reserve(values.length);
  for (const [index, value] of values.entries()) {
    const at = table.length + index;
    cells[table.pages[Math.floor(at / PAGE)]!]![at % PAGE] = value;
  }
  table.advance(values.length);
}

test('a fork shares full pages, and the partial page is copied once, by whoever writes first', async () => {
  const { pool, table, cells, copies } = createStorage(8);
  await write(cells, table, [1, 2, 3, 4, 5, 6]);
  const fork = table.fork();
  assert.deepEqual(fork.pages, table.pages);
  assert.equal(pool.freePages, 6);

  await write(cells, fork, [70]);
  assert.equal(fork.pages[0], table.pages[0]);
  assert.notEqual(fork.pages[1], table.pages[1]);
  await write(cells, table, [7]);
  assert.equal(copies(), 1);
  assert.deepEqual(read(cells, table), [1, 2, 3, 4, 5, 6, 7]);
  assert.deepEqual(read(cells, fork), [1, 2, 3, 4, 5, 6, 70]);

  table.truncate(0);
  fork.truncate(0);
  assert.equal(pool.freePages, 8);
});

test('tables that append, fork and truncate in any order never see each other’s tokens, and lose no page', async () => {
  const step = fc.record({
    kind: fc.constantFrom('append', 'fork', 'truncate'),
    table: fc.nat(),
    amount: fc.nat(9),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { pool, table, cells } = createStorage(400);
      const tables = [table];
      const expected: number[][] = [[]];
      let value = 0;
      for (const { kind, table: pick, amount } of steps) {
        const at = pick % tables.length;
        if (kind === 'append') {
          const values = Array.from({ length: amount }, () => value++);
          await write(cells, tables[at]!, values);
          expected[at]!.push(...values);
        } else if (kind === 'fork') {
          tables.push(tables[at]!.fork());
          expected.push([...expected[at]!]);
        } else {
          const length = Math.max(0, expected[at]!.length - amount);
          tables[at]!.truncate(length);
          expected[at]!.length = length;
        }
        for (const [index, content] of expected.entries()) assert.deepEqual(read(cells, tables[index]!), content);
      }
      for (const each of tables) each.truncate(0);
      assert.equal(pool.freePages, 400);
    }),
    { numRuns: 100 },
  );
});

test('without a free page the owner is asked to give some back, and otherwise the error says what to do', async () => {
  let spare: PageTable | undefined;
  const storage = createStorage(2, () => {
    const had = spare !== undefined;
    spare?.truncate(0);
    spare = undefined;
    return had;
  });
  await write(storage.cells, storage.table, [1]);
  spare = storage.table.fork();
  storage.table.truncate(0);
  const other = new PageTable(storage.pool, async () => {});
  await write(storage.cells, other, [1, 2, 3, 4, 5]);
  assert.equal(spare, undefined);
  await assert.rejects(
    other.reserve(4),
    (error) => isPixelError(error, 'out-of-memory') && /sequences/.test(error.message),
  );
  assert.deepEqual(read(storage.cells, other), [1, 2, 3, 4, 5]);
});

test('positions that were not reserved cannot be counted, and a page is not released twice', async () => {
  const { pool, table } = createStorage(2);
  assert.throws(() => table.advance(1), /never reserved/);
  assert.throws(() => table.truncate(1), /holds no 1/);
  const page = pool.allocate();
  pool.release(page);
  assert.throws(() => pool.release(page), /released by more/);
});
