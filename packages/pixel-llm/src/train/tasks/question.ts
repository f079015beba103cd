/** Questions with answers, however a file tells them: what is learned from, asked, and counted. */
import { crc32 } from '../../core/hashing.ts';

export interface Question {
  /** What is told: sentences, one after another. */
  readonly story: string;
  readonly question: string;
  readonly answer: string;
  /** Facts that the answer needs, where that is known. */
  readonly hops?: number;
  /** Which row of the table it counts in. */
  readonly kind: string;
}

/** The one form in which a question is learned and asked; the answer follows after a space. */
export function promptOf({ story, question }: Pick<Question, 'story' | 'question'>): string {
  return story === '' ? question : `${story} ${question}`;
}

/** An answer behind what to write down on the way to it. */
export function withSteps(steps: string, answer: string): string {
  return `${steps}: ${answer}`;
}

/** The answer in what a model wrote, with steps or without: no answer has a colon. */
export function withoutSteps(written: string): string {
  return written.slice(written.lastIndexOf(':') + 1).trim();
}

/** A share of a file's distinct stories is never learned, so that it can be asked. */
export const PARTS = ['all', 'learned', 'held-out'] as const;
export type Part = (typeof PARTS)[number];

/** One story in so many is held out. */
const HELD_OUT = 10;

/** The questions of one part. A story is in one part whatever else the file holds, and however often it is told. */
export function partOf<Asked extends Pick<Question, 'story'>>(questions: readonly Asked[], part: Part): Asked[] {
  if (part === 'all') return [...questions];
  const isHeldOut = (story: string): boolean => crc32(new TextEncoder().encode(story)) % HELD_OUT === 0;
  return questions.filter(({ story }) => isHeldOut(story) === (part === 'held-out'));
}
