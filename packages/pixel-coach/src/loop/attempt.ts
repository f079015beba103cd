/** One attempt at a task: prompt, generate, apply, check, test, review, and then the commit, or what to do better. */
import type { Agent, AgentAnswer } from '../agents/types.ts';
import { CoachError, isCoachError } from '../core/errors.ts';
import type { Attempt, AttemptStage, AttemptUpdate, ChangedFile, Lease, Task } from '../store/types.ts';
import { parseAnswer } from '../workspace/answer.ts';
import { applyEdits } from '../workspace/apply.ts';
import { diffOf } from '../workspace/commit.ts';
import { openSnapshot, type Snapshot } from '../workspace/repository.ts';
import { syntaxProblems } from '../workspace/syntax.ts';
import { callAgent } from './calls.ts';
import { hiddenFrom, judge, pathRulesOf } from './judge.ts';
import type { RunContext } from './options.ts';
import { buildPrompt, type Prompt } from './prompt.ts';
import { publishChange, tipOf } from './publish.ts';
import { reviewChange, thresholdOf } from './review.ts';

export type AttemptResult =
  | { readonly kind: 'accepted'; readonly commit: string; readonly unproven: boolean }
  | { readonly kind: 'rejected'; readonly feedback: string }
  /** Nobody's fault: the branch moved under it. */
  | { readonly kind: 'abandoned'; readonly why: string };

export interface AttemptRequest {
  readonly task: Task;
  readonly lease: Lease;
  readonly agent: Agent;
  readonly signal: AbortSignal;
}

/** Throws what is not the model's fault, with the attempt abandoned: `agent-unavailable`, `budget-exceeded`, `sandbox-failed`, `lease-lost`, `git`. */
export async function runAttempt(context: RunContext, request: AttemptRequest): Promise<AttemptResult> {
  const { store, repository, emit } = context;
  const { task, lease, agent } = request;
  const snapshot = await openSnapshot(repository, await tipOf(context));
  const earlier = await store.listAttempts(task.id);
  const attempt = await store.startAttempt(lease, {
    agent: agent.name,
    model: agent.model,
    baseCommit: snapshot.commit,
  });
  emit({ type: 'attempt', taskId: task.id, attemptId: attempt.id, number: attempt.number, agent: agent.name });
  const result = await new AttemptWork(context, request, attempt, snapshot).run(earlier).catch(async (error) => {
    const why = error instanceof Error ? error.message : String(error);
    if (!isCoachError(error, 'lease-lost')) await store.endAttempt(lease, attempt.id, 'abandoned', why).catch(() => {});
    throw error;
  });
  if (result.kind === 'accepted') emit({ type: 'accepted', taskId: task.id, attemptId: attempt.id, ...result });
  else {
    const text = result.kind === 'rejected' ? result.feedback : result.why;
    await store.endAttempt(lease, attempt.id, result.kind, text);
    if (result.kind === 'rejected') emit({ type: 'rejected', taskId: task.id, attemptId: attempt.id, feedback: text });
  }
  return result;
}

class AttemptWork {
  readonly #context: RunContext;
  readonly #request: AttemptRequest;
  readonly #attempt: Attempt;
  readonly #snapshot: Snapshot;

  constructor(context: RunContext, request: AttemptRequest, attempt: Attempt, snapshot: Snapshot) {
    this.#context = context;
    this.#request = request;
    this.#attempt = attempt;
    this.#snapshot = snapshot;
  }

  async run(earlier: readonly Attempt[]): Promise<AttemptResult> {
    const answer = await this.#generate(earlier);
    if (typeof answer === 'string') return { kind: 'rejected', feedback: answer };
    const change = await this.#apply(answer);
    if (typeof change === 'string') return { kind: 'rejected', feedback: change };
    return this.#prove(change, answer.model);
  }

  /** The answer, or what was wrong with it. */
  async #generate(earlier: readonly Attempt[]): Promise<AgentAnswer | string> {
    const { task, lease, agent, signal } = this.#request;
    const isHidden = hiddenFrom(this.#context, task);
    const prompt: Prompt = await buildPrompt({ task, snapshot: this.#snapshot, earlier, isHidden, agent });
    await this.#enter('generate', { prompt: `${prompt.system}\n\n${prompt.prompt}` });
    const { inputTokens, ...texts } = prompt;
    const onText = (text: string): void =>
      this.#context.emit({ type: 'text', taskId: task.id, attemptId: this.#attempt.id, text });
    const call = { agent, purpose: 'generate', task, lease, attempt: this.#attempt, inputTokens } as const;
    try {
      const answer = await callAgent(this.#context, call, () =>
        agent.generate({ ...texts, maxOutputTokens: agent.maxOutputTokens, signal, onText }),
      );
      await this.#update({ answer: answer.text, model: answer.model });
      if (answer.finishReason === 'length')
        return `The answer was cut off at ${agent.maxOutputTokens} tokens. Answer shorter: smaller edits, no explanations.`;
      return answer;
    } catch (error) {
      // What the model did wrong is said to it; everything else is not its fault.
      if (isCoachError(error, 'agent-failed')) return error.message;
      throw error;
    }
  }

  /** The change, or what was wrong with the answer. */
  async #apply({ text }: AgentAnswer): Promise<readonly ChangedFile[] | string> {
    const { task } = this.#request;
    await this.#enter('apply');
    const { edits, problems } = parseAnswer(text);
    const applied = await applyEdits(edits, this.#snapshot, pathRulesOf(this.#context, task));
    const all = [...problems, ...(edits.length > 0 ? applied.problems : [])];
    const diff = await diffOf(this.#context.repository, this.#snapshot, applied.files);
    await this.#enter('check', { files: applied.files, diff });
    if (all.length === 0) all.push(...syntaxProblems(applied.files));
    if (all.length === 0) return applied.files;
    return `The answer cannot be applied:\n${all.map((problem) => `- ${problem}`).join('\n')}`;
  }

  async #prove(files: readonly ChangedFile[], model: string): Promise<AttemptResult> {
    const { task, lease, agent, signal } = this.#request;
    const attempt = this.#attempt;
    await this.#enter('test');
    const { test, output, feedback } = await judge(this.#context, task, { snapshot: this.#snapshot, files, signal });
    await this.#update({ test, testOutput: output });
    if (test !== null) this.#context.emit({ type: 'tested', taskId: task.id, attemptId: attempt.id, outcome: test });
    // Tests decide: nobody is asked about a change that fails them.
    if (feedback !== undefined) return { kind: 'rejected', feedback };
    await this.#enter('review');
    const { diff } = await this.#context.store.getAttempt(attempt.id);
    const verdict = await reviewChange(this.#context, { task, lease, attempt, diff, test, testOutput: output, signal });
    if (test === null && verdict === undefined)
      throw new CoachError('agent-failed', 'The task has no test command and nobody to review it.', {
        details: { undecidable: true },
      });
    if (verdict !== undefined && verdict.review.score < thresholdOf(this.#context))
      return { kind: 'rejected', feedback: describeReview(verdict.review) };
    await this.#enter('commit');
    const commit = await publishChange(this.#context, {
      ...{ task, lease, attempt, snapshot: this.#snapshot, files, test, verdict, signal },
      generator: { name: agent.name, model },
    });
    if (commit === undefined)
      return {
        kind: 'abandoned',
        why: 'Other changes were accepted meanwhile, and this one does not fit on top of them.',
      };
    return { kind: 'accepted', commit, unproven: test === null };
  }

  async #enter(stage: AttemptStage, also: AttemptUpdate = {}): Promise<void> {
    this.#request.signal.throwIfAborted();
    await this.#update({ stage, ...also });
    this.#context.emit({ type: 'stage', taskId: this.#request.task.id, attemptId: this.#attempt.id, stage });
  }

  #update(update: AttemptUpdate): Promise<void> {
    return this.#context.store.updateAttempt(this.#request.lease, this.#attempt.id, update);
  }
}

function describeReview(review: {
  score: number;
  mustFix: readonly string[];
  niceToHave: readonly string[];
  summary: string;
}): string {
  const { score, mustFix, niceToHave, summary } = review;
  const list = (title: string, remarks: readonly string[]): string[] =>
    remarks.length === 0 ? [] : [title, ...remarks.map((remark) => `- ${remark}`)];
  return [
    `The tests pass, but the reviewer gave ${score} of 10. ${summary}`.trim(),
    ...list('Must be fixed:', mustFix),
    ...list('Would be nice:', niceToHave),
  ].join('\n');
}
