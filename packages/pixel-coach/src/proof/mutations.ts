/**
 * Small changes that break a program: what new tests have to notice. Sites are found in the syntax tree (types blanked out, so that
 * offsets hold in the TypeScript source), and each mutation changes one of them.
 */
import { extname } from 'node:path';
import type { Node } from 'acorn';
import { parseJavaScript, withoutTypes } from '../workspace/syntax.ts';

export interface Mutation {
  readonly path: string;
  /** 1 is the first. */
  readonly line: number;
  /** `a < b -> a <= b`, shortened. */
  readonly what: string;
  /** The whole file with it. */
  readonly content: string;
}

interface Site {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

const OPERATORS: Readonly<Record<string, string>> = {
  '+': '-',
  '-': '+',
  '*': '/',
  '/': '*',
  '%': '*',
  '**': '*',
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '===': '!==',
  '!==': '===',
  '==': '!=',
  '!=': '==',
  '&&': '||',
  '||': '&&',
  '??': '&&',
  '&': '|',
  '|': '&',
  '<<': '>>',
  '>>': '<<',
  '+=': '-=',
  '-=': '+=',
  '*=': '/=',
  '++': '--',
  '--': '++',
};

/** All mutations of a JavaScript or TypeScript file; none for a file of another kind or one that cannot be parsed. */
export function mutationsOf(path: string, source: string): Mutation[] {
  if (!/^\.[mc]?[jt]s$/.test(extname(path))) return [];
  const sites: Site[] = [];
  try {
    const plain = /ts$/.test(extname(path)) ? withoutTypes(source) : source;
    visit(parseJavaScript(plain), plain, sites);
  } catch {
    return [];
  }
  return sites.map(({ start, end, text }) => ({
    path,
    line: source.slice(0, start).split('\n').length,
    what: `${shorten(source.slice(start, end))} -> ${shorten(text)}`,
    content: source.slice(0, start) + text + source.slice(end),
  }));
}

/** At most `count` of `mutations`, evenly spread over them, the same ones every time. */
export function chooseMutations(mutations: readonly Mutation[], count: number): Mutation[] {
  if (mutations.length <= count) return [...mutations];
  return Array.from(
    { length: count },
    (_, index) => mutations[Math.floor(((index + 0.5) * mutations.length) / count)],
  ).filter((mutation) => mutation !== undefined);
}

type Tree = Node & Readonly<Record<string, unknown>>;

function visit(node: Node, source: string, sites: Site[]): void {
  const tree = node as Tree;
  // What is imported and exported is not behaviour.
  if (/^(Import|ExportAll)/.test(node.type)) return;
  sites.push(...sitesOf(tree, source));
  for (const [field, value] of Object.entries(tree)) {
    if (field === 'key' && tree.computed !== true) continue;
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) visit(child, source, sites);
  }
}

function sitesOf(node: Tree, source: string): Site[] {
  const { start, end, type } = node;
  const whole = (text: string): Site[] => [{ start, end, text }];
  if (type === 'Literal') {
    if (typeof node.value === 'number') return whole(`${node.value + 1}`);
    if (typeof node.value === 'boolean') return whole(`${!node.value}`);
    if (typeof node.value === 'string') return whole(node.value === '' ? '"mutated"' : '""');
    return [];
  }
  if (type === 'ReturnStatement' && isNode(node.argument)) return [{ ...placeOf(node.argument), text: 'undefined' }];
  if ((type === 'IfStatement' || type === 'ConditionalExpression' || type === 'WhileStatement') && isNode(node.test)) {
    const { start: from, end: to } = node.test;
    return [{ start: from, end: to, text: `!(${source.slice(from, to)})` }];
  }
  const other = typeof node.operator === 'string' ? OPERATORS[node.operator] : undefined;
  if (other === undefined || type === 'UnaryExpression') return [];
  if (type === 'UpdateExpression') return whole(source.slice(start, end).replace(String(node.operator), other));
  if (!isNode(node.left) || !isNode(node.right)) return [];
  const between = source.slice(node.left.end, node.right.start);
  const at = node.left.end + between.indexOf(String(node.operator));
  return [{ start: at, end: at + String(node.operator).length, text: other }];
}

function placeOf({ start, end }: Node): { start: number; end: number } {
  return { start, end };
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value;
}

function shorten(text: string): string {
  const line = text.replace(/\s+/g, ' ');
  return line.length > 40 ? `${line.slice(0, 37)}...` : line;
}
