/** The form of a review, for the models that can be held to a schema and for checking those that cannot. */
import { z } from 'zod';
import { CoachError } from '../core/errors.ts';
import { findJsonObject } from './json-answer.ts';
import type { ReviewAnswer } from './types.ts';

/** More remarks than this are noise. */
const MAX_REMARKS = 20;
const MAX_REMARK_CHARACTERS = 2000;

const remark = z.string().transform((text) => text.trim().slice(0, MAX_REMARK_CHARACTERS));
const remarks = z.array(remark).transform((list) => list.filter((text) => text !== '').slice(0, MAX_REMARKS));

/** What models are asked for. Plain: some servers know only the simplest JSON Schema. */
export const reviewRequestSchema: z.ZodType<ReviewAnswer> = z.object({
  score: z.int().min(1).max(10).describe('1: useless. 8: good enough to keep. 10: nothing to improve.'),
  mustFix: z.array(z.string()).describe('What has to change before this may be kept; empty if nothing.'),
  niceToHave: z.array(z.string()).describe('What could be better.'),
  summary: z.string().describe('One sentence.'),
});

/** What is accepted: a little more than what is asked for. */
const reviewAnswerSchema = z.object({
  score: z.coerce.number().min(1).max(10),
  mustFix: remarks.default([]),
  niceToHave: remarks.default([]),
  summary: remark.default(''),
});

/** Throws `agent-failed` when the text holds no review. */
export function parseReview(text: string): ReviewAnswer {
  const found = findJsonObject(text);
  const parsed = reviewAnswerSchema.safeParse(found);
  if (parsed.success) return parsed.data;
  const problem =
    found === undefined
      ? 'it holds no JSON object'
      : parsed.error.issues.map((issue) => `${issue.path.join('.') || 'answer'}: ${issue.message}`).join('; ');
  throw new CoachError('agent-failed', `The reviewer's answer is no review: ${problem}.`, {
    details: { answer: text.slice(0, MAX_REMARK_CHARACTERS) },
  });
}
