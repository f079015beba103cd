/** Checks one row of sampling settings, so that no backend meets a temperature that is not a number. */
import { PixelError } from '../core/errors.ts';
import type { SamplingSettings } from './types.ts';

/** Throws `bad-argument` that names the setting. */
export function checkSampling(settings: SamplingSettings, vocab: number): void {
  const within = (name: keyof SamplingSettings, least: number, most: number): void => {
    const value = settings[name];
    if (typeof value === 'number' && value >= least && value <= most) return;
    throw new PixelError(
      'bad-argument',
      `The sampling setting ${name} is ${value}; it must be from ${least} to ${most}.`,
    );
  };
  const whole = (name: keyof SamplingSettings, most: number): void => {
    within(name, 0, most);
    if (Number.isInteger(settings[name])) return;
    throw new PixelError(
      'bad-argument',
      `The sampling setting ${name} is ${settings[name]}; it must be a whole number.`,
    );
  };
  within('temperature', 0, Number.MAX_VALUE);
  whole('topK', Number.MAX_SAFE_INTEGER);
  within('topP', 0, 1);
  within('minP', 0, 1);
  within('repeatPenalty', Number.MIN_VALUE, Number.MAX_VALUE);
  within('frequencyPenalty', -Number.MAX_VALUE, Number.MAX_VALUE);
  within('presencePenalty', -Number.MAX_VALUE, Number.MAX_VALUE);
  whole('seed', Number.MAX_SAFE_INTEGER);
  whole('position', 2 ** 32 - 1);
  whole('topLogprobs', Number.MAX_SAFE_INTEGER);
  for (const token of settings.recentTokens) checkToken(token, 'recentTokens', vocab);
  for (const [token, bias] of settings.bias) {
    checkToken(token, 'bias', vocab);
    if (bias < Infinity) continue;
    throw new PixelError('bad-argument', `The bias of token ${token} is ${bias}; it must be a number or -Infinity.`);
  }
}

function checkToken(token: number, setting: string, vocab: number): void {
  if (Number.isInteger(token) && token >= 0 && token < vocab) return;
  throw new PixelError(
    'bad-argument',
    `The sampling setting ${setting} names token ${token}, which is not in the vocabulary of ${vocab} tokens.`,
  );
}
