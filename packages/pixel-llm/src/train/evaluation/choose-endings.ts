/** Cloze questions: which of several endings a model finds likeliest. */
import { z } from 'zod';
import { PixelError, throwIfAborted } from '../../core/errors.ts';
import type { WorkOptions } from '../../core/progress.ts';
import type { Model } from '../../engine/model.ts';
import type { AnsweredQuestion } from './answer-questions.ts';
import { parseLines } from './question-lines.ts';

export interface ClozeQuestion {
  readonly prompt: string;
  /** The right ending; one of the choices. */
  readonly completion: string;
  readonly choices: readonly string[];
}

const clozeSchema = z.object({
  prompt: z.string().min(1),
  completion: z.string().min(1),
  choices: z.array(z.string().min(1)).min(2),
});

/** JSON lines of {"prompt", "completion", "choices"}. Throws `bad-data`, naming the line. */
export function parseCloze(name: string, content: string): ClozeQuestion[] {
  return parseLines(name, content, clozeSchema, '{"prompt", "completion", "choices"}').map((line, index) => {
    if (line.choices.includes(line.completion)) return line;
    throw new PixelError('bad-data', `${name}, question ${index + 1}: the completion is none of the choices.`);
  });
}

/** ln p of each ending, all its tokens together, decides. Throws as Model.score. */
export async function chooseEndings(
  model: Model,
  questions: readonly ClozeQuestion[],
  { signal, onProgress }: WorkOptions = {},
): Promise<AnsweredQuestion[]> {
  const answered: AnsweredQuestion[] = [];
  for (const { prompt, completion, choices } of questions) {
    throwIfAborted(signal);
    let best = { choice: '', logprob: -Infinity };
    for (const choice of choices) {
      const logprob = await endingLogprob(model, prompt, choice, signal);
      if (logprob > best.logprob) best = { choice, logprob };
    }
    const asked = { story: '', question: prompt, answer: completion, kind: `${choices.length} endings` };
    answered.push({ ...asked, written: best.choice, isRight: best.choice === completion });
    onProgress?.({ phase: 'choosing', done: answered.length, total: questions.length, unit: 'questions' });
  }
  return answered;
}

async function endingLogprob(model: Model, prompt: string, ending: string, signal?: AbortSignal): Promise<number> {
  const { tokenizer } = model;
  // Encoded apart, as they are in training.
  const given = tokenizer.encode(prompt, { addSpecial: true });
  const rest = tokenizer.encode(` ${ending}`, { addSpecial: false });
  const { positions } = await model.score([...given, ...rest], { top: 0, signal });
  return positions.slice(given.length).reduce((sum, { logprob }) => sum + (logprob ?? 0), 0);
}
