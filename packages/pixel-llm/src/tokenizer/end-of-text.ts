/**
 * Which tokens end a model's answer. Metadata name one or two; chat models use further markers that are known only by their
 * published names.
 */

const NAMES: ReadonlySet<string> = new Set([
  '</s>',
  '<|endoftext|>',
  '<|end_of_text|>',
  '<|eot_id|>',
  '<|eom_id|>',
  '<|im_end|>',
  '<|end|>',
  '<|return|>',
  '<|call|>',
  '<end_of_turn>',
  '<end_of_utterance>',
  '<|EOT|>',
  '<EOT>',
  '_<EOT>',
  '[EOT]',
  '[EOS]',
  '<｜end▁of▁sentence｜>',
  '<|fim_pad|>',
  '<|repo_name|>',
  '<|file_sep|>',
]);

const NORMAL = 1;
const BYTE = 6;

/** The tokens that metadata name, and those of known names that are no ordinary text. */
export function endOfTextTokens(
  texts: readonly string[],
  types: ArrayLike<number>,
  named: readonly (number | undefined)[],
): ReadonlySet<number> {
  const found = new Map<string, number>();
  for (let token = 0; token < texts.length; token++) {
    const text = texts[token]!;
    if (types[token] !== NORMAL && types[token] !== BYTE && NAMES.has(text)) found.set(text, token);
  }
  // Models that speak in channels end a message by <|end|> and the answer by <|return|> or <|call|>.
  if (found.has('<|return|>') && found.has('<|call|>')) found.delete('<|end|>');
  const tokens = new Set(found.values());
  for (const token of named) if (token !== undefined) tokens.add(token);
  return tokens;
}
