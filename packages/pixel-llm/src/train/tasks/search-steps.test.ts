import assert from 'node:assert/strict';
import { test } from 'node:test';
import { choiceSource } from '../../core/random.ts';
import { type Link, placingSteps, searchSteps, type WordOf } from './search-steps.ts';

const wordOf: WordOf = ({ x, y }) => `${['left', '', 'right'][x + 1]}${['below', '', 'above'][y + 1]}`;

function link(thing: string, from: string, x: number, y: number): Link {
  return { thing, word: wordOf({ x, y }), from, x, y };
}

/** A tree of so many things, each fact told from either end, in any order. */
function tree(size: number, below: (bound: number) => number): Link[] {
  const links: Link[] = [];
  for (let i = 1; i < size; i++) {
    const [x, y] = [below(2) * 2 - 1, below(3) - 1];
    const [a, b] = [`T${i}`, `T${below(i)}`];
    links.splice(below(links.length + 1), 0, below(2) === 0 ? link(a, b, x, y) : link(b, a, -x, -y));
  }
  return links;
}

test('facts are told from both ends, and each step of the search follows from them and from what was found before', () => {
  for (let example = 0; example < 200; example++) {
    const below = choiceSource(5, example);
    const links = tree(2 + below(9), below);
    const [start, end] = ['T0', `T${1 + below(links.length)}`];
    const { steps, end: point } = placingSteps(links, start, end, wordOf)!;
    const [first, ...clauses] = steps.split(', ');
    const ends = clauses.splice(0, 2 * links.length);
    assert.equal(first, `${end} 1 asked`);
    for (const [i, { thing, word, from, x, y }] of links.entries()) {
      const numbers = [ends[2 * i]!, ends[2 * i + 1]!].map((told, j) => {
        const [name, number, ...rest] = told.split(' ');
        assert.deepEqual([name, ...rest], j === 0 ? [thing, word, from] : [from, wordOf({ x: -x, y: -y }), thing]);
        return [name, number];
      });
      for (const [j, [name, number]] of numbers.entries()) {
        const before: string[] = [first!, ...ends.slice(0, 2 * i + j)].filter((told) => told.startsWith(`${name} `));
        assert.equal(Number(number), before.length + 1, steps);
      }
    }
    const [place, found] = [clauses.at(-2)!, clauses.pop()];
    replay(clauses, ends, links);
    assert.equal(place.split(' ').slice(2, 5).join(' '), `${end} ${point.x} ${point.y}`, steps);
    assert.equal(found, first);
  }
});

/** Fails where a clause of the search is not the one that must come. */
function replay(clauses: readonly string[], ends: readonly string[], links: readonly Link[]): void {
  const records = ['T0 0 0'];
  let at = -1;
  let number = 0;
  for (const [i, clause] of clauses.entries()) {
    const here = records[at]?.split(' ') ?? [];
    if (clause.startsWith('at ')) {
      at++;
      number = 0;
      assert.equal(clause, `at ${String.fromCharCode(97 + at)} ${records[at]}`);
    } else if (clause.endsWith(' none')) {
      assert.equal(clause, `${here[0]} ${number + 1} none`);
      assert.ok(!ends.some((told) => told.startsWith(`${here[0]} ${number + 1} `)));
    } else if (clause.split(' ')[0] === here[0]) {
      number++;
      const told = clause.replace(/ back$/, '');
      assert.ok(ends.includes(told) && told.startsWith(`${here[0]} ${number} `), clause);
      assert.equal(clause.endsWith(' back'), told.endsWith(` ${here[3]}`), clause);
    } else {
      const [, word, to] = /^\S+ \d+ (\S+) (\S+)$/.exec(clauses[i - 1]!)!;
      const found = links.find(({ thing, from }) => [thing, from].includes(to!) && [thing, from].includes(here[0]!))!;
      assert.equal(wordOf(found.thing === here[0] ? found : { x: -found.x, y: -found.y }), word);
      const sign = found.thing === to ? 1 : -1;
      const point = [Number(here[1]) + sign * found.x, Number(here[2]) + sign * found.y];
      const letter = String.fromCharCode(97 + records.length);
      records.push(`${to} ${point.join(' ')} ${here[0]}`);
      assert.equal(clause, `${letter} ${records.at(-1)}`);
    }
  }
}

test('nothing is written where no facts connect the two, where they go round, or where letters run out', () => {
  const record = (name: string): string => name;
  const search = (links: readonly Link[], end: string) => searchSteps(links, 'A', end, wordOf, record);
  assert.deepEqual(search([link('B', 'A', 1, 0)], 'B'), [
    ...['B 1 asked', 'B 2 right A', 'A 1 left B'],
    ...['at a A', 'A 1 left B', 'b B', 'A 2 none', 'at b B', 'B 1 asked'],
  ]);
  assert.equal(search([link('B', 'A', 1, 0)], 'C'), undefined);
  assert.equal(search([link('B', 'A', 1, 0), link('C', 'B', 1, 0), link('A', 'C', 1, 0)], 'D'), undefined);
  const row = Array.from({ length: 40 }, (_, i) => link(`R${i}`, i === 0 ? 'A' : `R${i - 1}`, 1, 0));
  assert.equal(search(row, 'R39'), undefined);
  assert.ok(search(row, 'R24'));
  assert.equal(search(row, 'R25'), undefined);
});
