/** The review of a change that passed its tests: one, or the median of three where the first is near the threshold. */
import { isNearThreshold, medianReview, reviewRequest } from '../agents/review-request.ts';
import type { Agent, ReviewAnswer } from '../agents/types.ts';
import { CoachError, isCoachError } from '../core/errors.ts';
import type { Attempt, Lease, Task, TestOutcome } from '../store/types.ts';
import { callAgent } from './calls.ts';
import type { RunContext } from './options.ts';

export interface ReviewTarget {
  readonly task: Task;
  readonly lease: Lease;
  readonly attempt: Attempt;
  readonly diff: string;
  readonly test: TestOutcome | null;
  readonly testOutput: string;
  readonly signal: AbortSignal;
}

export interface Verdict {
  readonly review: ReviewAnswer;
  readonly agent: Agent;
}

const DEFAULT_THRESHOLD = 8;
/** A reviewer that cannot give a score is asked again so often. */
const TRIES = 2;

export function thresholdOf({ threshold = DEFAULT_THRESHOLD }: RunContext): number {
  return threshold;
}

/** Undefined when nobody reviews. Throws what calls throw; `agent-unavailable` when no reviewer gave a usable review. */
export async function reviewChange(context: RunContext, target: ReviewTarget): Promise<Verdict | undefined> {
  const { reviewers } = context.team(target.task);
  let failure: unknown;
  for (const [index, agent] of reviewers.entries()) {
    try {
      return { agent, review: await reviewWith(context, agent, target) };
    } catch (error) {
      if (!isCoachError(error, 'agent-unavailable') && !isCoachError(error, 'agent-failed')) throw error;
      failure = error;
      const next = reviewers[index + 1];
      const why = error.message;
      if (next !== undefined)
        context.emit({ type: 'fallback', taskId: target.task.id, from: agent.name, to: next.name, why });
    }
  }
  if (!isCoachError(failure)) return undefined;
  throw new CoachError('agent-unavailable', `No reviewer gave a usable review: ${failure.message}`, {
    cause: failure,
    details: { ...failure.details, role: 'reviewer' },
  });
}

async function reviewWith(context: RunContext, agent: Agent, target: ReviewTarget): Promise<ReviewAnswer> {
  const first = await ask(context, agent, target);
  const { medianBand = 1 } = context;
  if (!isNearThreshold(first.score, thresholdOf(context), medianBand)) return first;
  return medianReview([first, await ask(context, agent, target), await ask(context, agent, target)]);
}

async function ask(context: RunContext, agent: Agent, target: ReviewTarget): Promise<ReviewAnswer> {
  for (let tries = 1; ; tries++) {
    try {
      return await askOnce(context, agent, target);
    } catch (error) {
      if (tries >= TRIES || !isCoachError(error, 'agent-failed')) throw error;
    }
  }
}

async function askOnce(
  context: RunContext,
  agent: Agent,
  { task, lease, attempt, diff, test, testOutput, signal }: ReviewTarget,
): Promise<ReviewAnswer> {
  const review = agent.review?.bind(agent);
  if (review === undefined) throw new CoachError('agent-unavailable', `${agent.name} cannot review.`);
  const { system, prompt } = reviewRequest({ task, diff, test, testOutput });
  const inputTokens = agent.countTokens(system) + agent.countTokens(prompt);
  const answer = await callAgent(context, { agent, purpose: 'review', task, lease, attempt, inputTokens }, () =>
    review({ system, prompt, maxOutputTokens: agent.maxOutputTokens, signal }),
  );
  const { score, mustFix, niceToHave, summary } = answer.review;
  const row = { agent: agent.name, model: answer.model, score, mustFix, niceToHave, summary };
  await context.store.addReview(lease, attempt.id, row);
  context.emit({ type: 'reviewed', taskId: task.id, attemptId: attempt.id, score, mustFix });
  return answer.review;
}
