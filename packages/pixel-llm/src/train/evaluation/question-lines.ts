/** Questions in data files: JSON lines of {"prompt", "completion"}, with a kind and a number of hops where they have them. */
import { z } from 'zod';
import { PixelError } from '../../core/errors.ts';
import { type Question, withoutSteps } from '../tasks/question.ts';

const lineSchema = z.object({
  prompt: z.string().min(1),
  completion: z.string().min(1),
  kind: z.string().optional(),
  hops: z.int().min(0).optional(),
});

/** Completions with steps ask for the answer alone. Throws `bad-data`, naming the line. */
export function parseQuestions(name: string, content: string): Question[] {
  return parseLines(name, content, lineSchema, '{"prompt", "completion"}').map(
    ({ prompt, completion, kind = 'questions', hops }) => {
      const asked = { story: '', question: prompt, answer: withoutSteps(completion), kind };
      return { ...asked, ...(hops !== undefined && { hops }) };
    },
  );
}

/** Throws `bad-data`, naming the line that is no JSON or of another form, and for a file without lines. */
export function parseLines<Line>(name: string, content: string, schema: z.ZodType<Line>, form: string): Line[] {
  const lines: Line[] = [];
  for (const [index, text] of content.split('\n').entries()) {
    if (text.trim() === '') continue;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      throw new PixelError('bad-data', `${name}, line ${index + 1} is not JSON.`, { cause });
    }
    const parsed = schema.safeParse(value);
    if (!parsed.success) throw new PixelError('bad-data', `${name}, line ${index + 1} is not of the form ${form}.`);
    lines.push(parsed.data);
  }
  if (lines.length === 0) throw new PixelError('bad-data', `${name} has no lines.`);
  return lines;
}
