/** Lines to learn from, out of files in the tasks' own formats. */
import { PixelError } from '../core/errors.ts';
import { choiceSource } from '../core/random.ts';
import { answerWithSteps, BabiVariations, parseBabi } from '../train/tasks/babi.ts';
import { type Part, partOf, promptOf, type Question } from '../train/tasks/question.ts';
import { parseStepgame, Retellings, SentenceForms, type StepgameQuestion } from '../train/tasks/stepgame.ts';
import { readTextFile } from './text-input.ts';

export const TASK_CORPORA = ['babi', 'stepgame'] as const;
export type TaskCorpus = (typeof TASK_CORPORA)[number];

export interface TaskLineOptions {
  readonly from: readonly string[];
  readonly part: Part;
  readonly seed: number;
  readonly vary: boolean;
  readonly steps: boolean;
  readonly signal: AbortSignal;
}

interface TaskLine {
  readonly prompt: string;
  readonly completion: string;
  readonly kind: string;
}

/** All there are, or, varied, any number: line `example` is a function of files, seed and number. */
export interface TaskLines {
  readonly count: number;
  line(example: number): TaskLine;
}

/** Throws `bad-argument` without files, `bad-data`, `file-not-found`. */
export async function openTaskLines(corpus: TaskCorpus, options: TaskLineOptions): Promise<TaskLines> {
  const { from, part, signal } = options;
  if (from.length === 0) {
    throw new PixelError('bad-argument', `corpus ${corpus} needs --from FILE: a file in the task's own format.`);
  }
  const files = await Promise.all(from.map(async (path) => [path, await readTextFile(path, signal)] as const));
  if (corpus === 'babi') {
    return babiLines(
      partOf(
        files.flatMap(([path, text]) => parseBabi(path, text)),
        part,
      ),
      options,
    );
  }
  return stepgameLines(
    partOf(
      files.flatMap(([path, text]) => parseStepgame(path, text)),
      part,
    ),
    options,
  );
}

function babiLines(questions: readonly Question[], { seed, vary, steps }: TaskLineOptions): TaskLines {
  const variations = new BabiVariations(questions);
  const answerOf = steps ? answerWithSteps : ({ answer }: Question) => answer;
  return {
    count: questions.length,
    line(example) {
      const question = vary ? variations.draw(choiceSource(seed, example)) : questions[example]!;
      return lineOf(question, answerOf(question));
    },
  };
}

function stepgameLines(
  questions: readonly StepgameQuestion[],
  { part, seed, vary, steps }: TaskLineOptions,
): TaskLines {
  const forms = new SentenceForms(questions);
  const retellings = new Retellings(questions, forms);
  return {
    count: questions.length,
    line(example) {
      const below = choiceSource(seed, example);
      const question = vary ? drawnWithin(part, () => retellings.draw(below)) : questions[example]!;
      return lineOf(question, steps ? forms.answerWithSteps(question) : question.answer);
    },
  };
}

/** New stories belong to a part as old ones do: what is held out is not learned by chance. */
function drawnWithin<Asked extends Question>(part: Part, draw: () => Asked): Asked {
  for (;;) {
    const question = draw();
    if (partOf([question], part).length > 0) return question;
  }
}

function lineOf(question: Question, completion: string): TaskLine {
  return { prompt: promptOf(question), completion, kind: question.kind };
}
