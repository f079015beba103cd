/** A model is asked, and its answers are counted: exact match with the answers' own grammar, beside what needs no model at all. */
import { throwIfAborted } from '../../core/errors.ts';
import type { WorkOptions } from '../../core/progress.ts';
import type { Model } from '../../engine/model.ts';
import { promptOf, type Question, withoutSteps } from '../tasks/question.ts';

export interface AnsweredQuestion extends Question {
  /** What the model wrote, steps and all. */
  readonly written: string;
  readonly isRight: boolean;
}

export interface ScoreRow {
  readonly what: string;
  readonly questions: number;
  readonly right: number;
  /** right / questions */
  readonly score: number;
  /** What always giving the most frequent answer of these questions would score. */
  readonly majority: number;
  /** What choosing blindly among the different answers of these questions would score. */
  readonly random: number;
}

export interface AnswerOptions extends WorkOptions {
  /** Tokens an answer may take, with its steps. Default 768. */
  readonly maxTokens?: number;
  /** Questions under way at once; the model must be loaded for as many sequences. Default 1. */
  readonly atOnce?: number;
}

/** Greedy answers, in the questions' order. Throws as Generation, and `context-full` for a question that does not fit. */
export async function answerQuestions(
  model: Model,
  questions: readonly Question[],
  { maxTokens = 768, atOnce = 1, signal, onProgress }: AnswerOptions = {},
): Promise<AnsweredQuestion[]> {
  const answered: AnsweredQuestion[] = new Array(questions.length);
  let next = 0;
  let done = 0;
  const answerSome = async (): Promise<void> => {
    while (next < questions.length) {
      throwIfAborted(signal);
      const index = next++;
      const question = questions[index]!;
      using session = model.createSession();
      const { text } = await session.generate(promptOf(question), { temperature: 0, maxTokens, signal }).complete();
      answered[index] = { ...question, written: text.trim(), isRight: withoutSteps(text) === question.answer };
      onProgress?.({ phase: 'asking', done: ++done, total: questions.length, unit: 'questions' });
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, atOnce) }, answerSome));
  return answered;
}

/** A row for each kind (in the order they come), one for each number of hops where questions have them, and one for all. */
export function scoreRows(answered: readonly AnsweredQuestion[]): ScoreRow[] {
  const rows: ScoreRow[] = [];
  for (const [kind, some] of Map.groupBy(answered, (one) => one.kind)) rows.push(scoreRow(kind, some));
  const withHops = answered.filter(({ hops }) => hops !== undefined);
  const byHops = [...Map.groupBy(withHops, ({ hops = 0 }) => hops)].sort(([a], [b]) => a - b);
  for (const [hops, some] of byHops) rows.push(scoreRow(hops === 1 ? '1 hop' : `${hops} hops`, some));
  return rows.length > 1 ? [...rows, scoreRow('all', answered)] : rows;
}

function scoreRow(what: string, answered: readonly AnsweredQuestion[]): ScoreRow {
  const right = answered.filter(({ isRight }) => isRight).length;
  const counts = [...Map.groupBy(answered, ({ answer }) => answer).values()].map(({ length }) => length);
  const questions = answered.length;
  return {
    ...{ what, questions, right, score: right / questions },
    majority: Math.max(...counts) / questions,
    random: 1 / counts.length,
  };
}
