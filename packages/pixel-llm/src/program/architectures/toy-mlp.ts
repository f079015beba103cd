/**
 * `toy-mlp`: the smallest model that is one, without attention: a token's row of the embedding goes through one hidden layer, and the row of
 * the table that fits best is the next token. It sees nothing but the token before. Not an architecture of others: this project's own, to learn
 * from and to test with.
 *
 *     h = ffn_down (gelu (ffn_up x + bias)) + bias     logits = token_embd h
 */
import { type ArchitectureInput, ProgramBuilder } from '../builder.ts';
import { readCommonParameters } from '../hyperparameters.ts';
import type { Program } from '../program.ts';

/** Throws as readCommonParameters, and `unknown-tensor`. */
export function toyMlp(input: ArchitectureInput): Program {
  const parameters = readCommonParameters(input.head);
  const { vocab, dim, hidden } = parameters;
  const builder = new ProgramBuilder(input);
  const tokens = builder.input('tokens');
  const positions = builder.input('positions');
  const x = builder.embed('embedding', tokens, 'token_embd.weight', [vocab, dim]);
  const kept = builder.takeRows('kept', x);
  const up = builder.linear('up', kept, 'blk.0.ffn_up', hidden);
  const active = builder.gelu('active', up);
  const down = builder.linear('hidden', active, 'blk.0.ffn_down', dim);
  const logits = builder.matmul('logits', down, 'token_embd.weight', vocab);
  const sampled = builder.sample('sampled', logits);
  return builder.build(parameters, [tokens, positions], [logits, sampled, down]);
}
