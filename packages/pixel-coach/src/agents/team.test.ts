import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseConfig } from '../config/load-config.ts';
import { isCoachError } from '../core/errors.ts';
import { createAgents } from './create-agents.ts';
import { type AssembledTeam, assembleTeam, teamFor } from './team.ts';

const AGENTS = {
  here: { kind: 'command', command: ['true'], price: 'free' },
  other: { kind: 'command', command: ['cat'], price: 'free' },
  gone: { kind: 'command', command: ['no-such-program'], price: 'free' },
};

describe('A team', () => {
  test('leaves out who cannot be used, in the order of the configuration, and tells', async () => {
    const team = await assemble({ generators: ['gone', 'other', 'here'], reviewers: ['here', 'gone'] });
    assert.deepEqual(names(team.generators), ['other', 'here']);
    assert.deepEqual(names(team.reviewers), ['here']);
    assert.deepEqual(names(team.missing.map(({ agent }) => agent)), ['gone']);
    assert.equal(team.missing[0]?.availability.tried, 'which no-such-program');
  });

  test('is refused when a role that the mode needs is empty, with what was tried', async () => {
    await assert.rejects(assemble({ generators: ['gone'] }), (error) => {
      assert.ok(isCoachError(error, 'agent-unavailable'));
      assert.match(
        error.message,
        /gone: There is no program "no-such-program"\. \(tried: which no-such-program\) Install it/,
      );
      return true;
    });
    await assert.rejects(assemble({ generators: ['here'], reviewers: ['gone'] }), /No agent that could review/);
    await assert.rejects(assemble({}), /No agent is configured to write: name one in "generators"/);
    await assert.rejects(assemble({ mode: 'human' }), /No agent is configured to write/);
  });

  test('has no reviewer where tests alone are to decide', async () => {
    assert.deepEqual(names((await assemble({ generators: ['here'] })).reviewers), []);
    const team = await assemble({ mode: 'generate', generators: ['here'], reviewers: ['gone'] });
    assert.deepEqual(names(team.reviewers), []);
  });

  test("begins with the task's own agent, and keeps the others behind it", async () => {
    const team = await assemble({ generators: ['here', 'other'] });
    assert.deepEqual(names(teamFor(team, 'other').generators), ['other', 'here']);
    assert.deepEqual(names(teamFor(team, 'gone').generators), ['here', 'other']);
    assert.deepEqual(names(teamFor(team, null).generators), ['here', 'other']);
  });
});

function assemble(settings: object): Promise<AssembledTeam> {
  const config = parseConfig(JSON.stringify({ agents: AGENTS, ...settings }), 'test');
  return assembleTeam(config, createAgents(config, { folder: '/' }));
}

function names(agents: readonly { readonly name: string }[]): string[] {
  return agents.map(({ name }) => name);
}
