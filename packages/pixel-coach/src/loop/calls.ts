/**
 * Calls of agents, with their money: the most a call can cost is reserved before it, what it did cost is settled after it, whatever
 * happened in between.
 */
import type { Agent } from '../agents/types.ts';
import { isCoachError } from '../core/errors.ts';
import type { Attempt, Call, CallPurpose, Lease, Task, TokenUsage } from '../store/types.ts';
import type { RunContext } from './options.ts';

const NO_USAGE: TokenUsage = { inputTokens: 0, outputTokens: 0, cachedTokens: 0, reasoningTokens: 0 };

export interface CallRequest {
  readonly agent: Agent;
  readonly purpose: CallPurpose;
  readonly task: Task;
  readonly lease: Lease;
  readonly attempt: Attempt;
  readonly inputTokens: number;
}

/** Throws what reserving throws (`budget-exceeded`, `unknown-price`, `lease-lost`) and what `work` throws. */
export async function callAgent<Answer extends { readonly usage: TokenUsage; readonly model: string }>(
  context: RunContext,
  request: CallRequest,
  work: () => Promise<Answer>,
): Promise<Answer> {
  const { store, prices, emit } = context;
  const { agent, purpose, task, lease, attempt, inputTokens } = request;
  const call = await store.reserveCall(lease, {
    attemptId: attempt.id,
    purpose,
    agent: agent.name,
    model: agent.model,
    paid: agent.paid,
    reserved: prices.reservation(agent, inputTokens, agent.maxOutputTokens),
    limits: limitsOf(context, task),
  });
  const begun = performance.now();
  const tell = (settled: Call, error?: string): void => {
    const usage = settled.usage ?? NO_USAGE;
    emit({
      ...{ type: 'call', taskId: task.id, attemptId: attempt.id, callId: call.id, purpose, agent: agent.name },
      ...{ model: settled.model, ...usage, cost: settled.cost ?? 0 },
      milliseconds: Math.round(performance.now() - begun),
      ...(error === undefined ? {} : { error }),
    });
  };
  try {
    const answer = await work();
    const cost = prices.cost(agent, answer.model, answer.usage);
    tell(await store.settleCall(call.id, { cost, usage: answer.usage, model: answer.model }));
    return answer;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const known = usageOf(error);
    const cost = known === undefined ? costOfFailure(error, call) : prices.cost(agent, agent.model, known);
    tell(await store.settleCall(call.id, { cost, usage: known ?? NO_USAGE, error: message }), message);
    throw error;
  }
}

function limitsOf({ limits = {} }: RunContext, task: Task) {
  const { call, run, day } = limits;
  const taskLimit = task.budget ?? limits.task;
  return {
    ...(call === undefined ? {} : { call }),
    ...(taskLimit === undefined ? {} : { task: taskLimit }),
    ...(run === undefined ? {} : { run }),
    ...(day === undefined ? {} : { day }),
  };
}

/** A server that was not reached charges nothing; of a call that broke off nobody knows, so all that was reserved counts. */
function costOfFailure(error: unknown, call: Call): number {
  return isCoachError(error, 'agent-unavailable') ? 0 : call.reserved;
}

function usageOf(error: unknown): TokenUsage | undefined {
  if (!isCoachError(error)) return undefined;
  const usage = error.details.usage;
  return typeof usage === 'object' && usage !== null && 'inputTokens' in usage ? (usage as TokenUsage) : undefined;
}
