/** What the loop tells, as lines of the log; fields of model calls are named as OpenTelemetry's conventions name them. */
import type { AgentConfig, CoachConfig } from '../config/config.ts';
import { formatAmount } from '../core/money.ts';
import type { CallEvent, LoopEvent } from '../loop/options.ts';
import type { RunLog } from './run-log.ts';

/** OpenTelemetry's names for providers; what is not on its list is named by its kind. */
const PROVIDERS: Readonly<Partial<Record<AgentConfig['kind'], string>>> = {
  gemini: 'gcp.gemini',
  'openai-compatible': 'openai',
};

/** Every event but the streamed text, which is not for keeping. */
export function logEvent(log: RunLog, event: LoopEvent, kindOf: KindOf): void {
  const line = describeEvent(event, kindOf);
  if (line) log.write(line.level, line.text, line.fields);
}

type KindOf = (agent: string) => AgentConfig['kind'] | undefined;

interface Entry {
  readonly level: CoachConfig['log']['level'];
  readonly text: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

function entry(level: Entry['level'], text: string, fields: Entry['fields']): Entry {
  return { level, text, fields };
}

function describeEvent(event: LoopEvent, kindOf: KindOf): Entry | undefined {
  const task = 'taskId' in event ? { 'coach.task.id': event.taskId } : {};
  const attempt = 'attemptId' in event ? { 'coach.attempt.id': event.attemptId } : {};
  const facts = { 'coach.event': event.type, ...task, ...attempt };
  switch (event.type) {
    case 'run-started':
      return entry('info', `run ${event.runId} on branch ${event.branch}`, {
        ...facts,
        'coach.branch': event.branch,
      });
    case 'recovered':
      return entry('warn', `taken back from a run that died: ${event.taskIds.join(', ') || 'nothing'}`, facts);
    case 'claimed':
      return entry('info', `begun: ${event.title}`, {
        ...facts,
        'coach.phase': event.phase,
        'coach.worker': event.worker,
      });
    case 'attempt':
      return entry('info', `attempt ${event.number} by ${event.agent}`, {
        ...facts,
        'gen_ai.agent.name': event.agent,
      });
    case 'stage':
      return entry('debug', `stage ${event.stage}`, { ...facts, 'coach.attempt.stage': event.stage });
    case 'text':
      return undefined;
    case 'call':
      return describeCall(event, facts, kindOf(event.agent));
    case 'fallback':
      return entry('warn', `${event.to} takes over from ${event.from}: ${event.why}`, {
        ...facts,
        'gen_ai.agent.name': event.to,
      });
    case 'tested': {
      const { passed, counted, cut, exitCode, milliseconds } = event.outcome;
      const counts = counted ? ` (${counted.passed} passed, ${counted.failed} failed)` : '';
      return entry('info', `test ${passed ? 'passed' : 'failed'}${counts}${cut === null ? '' : `, cut: ${cut}`}`, {
        ...facts,
        'coach.test.passed': passed,
        'coach.test.exit_code': exitCode,
        'coach.test.milliseconds': milliseconds,
      });
    }
    case 'reviewed': {
      const remarks = event.mustFix.length > 0 ? `, must fix: ${event.mustFix.join('; ')}` : '';
      return entry('info', `review: ${event.score} of 10${remarks}`, {
        ...facts,
        'coach.review.score': event.score,
      });
    }
    case 'rejected':
      return entry('info', `rejected: ${firstLine(event.feedback)}`, facts);
    case 'accepted': {
      const proof = event.unproven ? ' (unproven)' : '';
      return entry('info', `done${proof}: commit ${event.commit.slice(0, 12)}`, {
        ...facts,
        'coach.commit': event.commit,
      });
    }
    case 'needs-human':
      return entry('warn', `a person is needed: ${event.why}`, facts);
    case 'released': {
      const wait = event.notBefore > 0 ? `, not before ${new Date(event.notBefore).toISOString()}` : '';
      return entry('warn', `given back: ${event.why}${wait}`, facts);
    }
    case 'run-ended': {
      const { done, needsHuman, why, cost, ending } = event.summary;
      return entry('info', `ended: ${done} done, ${needsHuman} need a person, ${formatAmount(cost)}; ${why}`, {
        ...facts,
        'coach.run.ending': ending,
        'coach.cost.nano_dollars': cost,
      });
    }
  }
}

function describeCall(
  event: CallEvent,
  facts: Readonly<Record<string, unknown>>,
  kind: AgentConfig['kind'] | undefined,
): Entry {
  const { purpose, agent, model, inputTokens, outputTokens, cost, milliseconds, error } = event;
  const failure = error === undefined ? '' : `, failed: ${firstLine(error)}`;
  const text = `${purpose} by ${agent}: ${inputTokens} + ${outputTokens} tokens, ${formatAmount(cost)}${failure}`;
  return entry(error === undefined ? 'info' : 'warn', text, {
    ...facts,
    'coach.call.id': event.callId,
    'coach.call.purpose': purpose,
    'coach.call.milliseconds': milliseconds,
    'coach.cost.nano_dollars': cost,
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': (kind && PROVIDERS[kind]) ?? kind ?? 'unknown',
    'gen_ai.agent.name': agent,
    'gen_ai.request.model': model,
    'gen_ai.usage.input_tokens': inputTokens,
    'gen_ai.usage.output_tokens': outputTokens,
    'gen_ai.usage.cache_read.input_tokens': event.cachedTokens,
    'gen_ai.usage.reasoning.output_tokens': event.reasoningTokens,
    ...(error !== undefined && { 'error.type': firstLine(error) }),
  });
}

function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0] ?? '';
}
