/**
 * Who works in a mode. The configuration lists who may write and who may review, in order; what cannot be used is left out, and told.
 * docs/agent-modes.md has this as a table.
 */
import type { CoachConfig } from '../config/config.ts';
import { CoachError } from '../core/errors.ts';
import type { Agent, Availability, Team } from './types.ts';

export interface AssembledTeam extends Team {
  /** Those that were left out. */
  readonly missing: readonly { readonly agent: Agent; readonly availability: Availability }[];
  /** Of all usable agents, whatever their role: a task may name one. */
  readonly usable: ReadonlyMap<string, Agent>;
}

/** Throws `agent-unavailable` when a role that the mode needs has nobody left; the message says what was tried and what to do. */
export async function assembleTeam(
  config: CoachConfig,
  agents: ReadonlyMap<string, Agent>,
  signal?: AbortSignal,
): Promise<AssembledTeam> {
  const { writers, reviewers } = rolesOf(config, agents);
  const checked = await Promise.all(
    [...new Set([...writers, ...reviewers])].map(async (agent) => ({
      agent,
      availability: await agent.availability(signal),
    })),
  );
  const usable = new Map(
    checked.filter(({ availability }) => availability.usable).map(({ agent }) => [agent.name, agent]),
  );
  const missing = checked.filter(({ availability }) => !availability.usable);
  const team = {
    generators: writers.filter(({ name }) => usable.has(name)),
    reviewers: reviewers.filter(({ name }) => usable.has(name)),
  };
  requireRole('write', '"generators"', writers, team.generators, missing);
  // Where the configuration wants reviews, tests alone must not decide in silence.
  if (reviewers.length > 0) requireRole('review', '"reviewers"', reviewers, team.reviewers, missing);
  return { ...team, missing, usable };
}

/** The team for a task that names an agent: that one first, the others behind it. */
export function teamFor(team: AssembledTeam, preferredAgent: string | null): Team {
  const preferred = preferredAgent === null ? undefined : team.usable.get(preferredAgent);
  if (!preferred) return team;
  return { ...team, generators: [preferred, ...team.generators.filter((agent) => agent !== preferred)] };
}

function rolesOf(
  { mode, generators, reviewers }: CoachConfig,
  agents: ReadonlyMap<string, Agent>,
): { writers: readonly Agent[]; reviewers: readonly Agent[] } {
  const named = (names: readonly string[]): Agent[] =>
    names.flatMap((name) => {
      const agent = agents.get(name);
      return agent ? [agent] : [];
    });
  const people = [...agents.values()].filter(({ kind }) => kind === 'human');
  const isModel = ({ kind }: Agent): boolean => kind !== 'human';
  switch (mode) {
    case 'generate+review':
      return { writers: named(generators), reviewers: named(reviewers) };
    case 'generate':
      return { writers: named(generators), reviewers: [] };
    case 'review':
      return { writers: people, reviewers: named(reviewers).filter(isModel) };
    case 'human':
      return { writers: people, reviewers: people };
  }
}

function requireRole(
  verb: string,
  option: string,
  named: readonly Agent[],
  usable: readonly Agent[],
  missing: AssembledTeam['missing'],
): void {
  if (usable.length > 0) return;
  const tried = missing.filter(({ agent }) => named.includes(agent));
  const details = tried.map(
    ({ agent, availability: { reason, remedy, tried: what } }) =>
      `  ${agent.name}: ${reason} (tried: ${what}) ${remedy}`,
  );
  const why =
    named.length === 0
      ? `No agent is configured to ${verb}: name one in ${option}, or choose another "mode".`
      : `No agent that could ${verb} can be used:\n${details.join('\n')}`;
  throw new CoachError('agent-unavailable', why, { details: { role: verb, agents: named.map(({ name }) => name) } });
}
