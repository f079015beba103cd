/** How fast to learn at which step: a linear warm-up, then half a cosine down to a share of the peak (arXiv 1608.03983). */
export interface LearningRateSchedule {
  /** The highest learning rate, reached at the end of the warm-up. */
  readonly peak: number;
  readonly warmUpSteps: number;
  /** Steps in all; the rate stays at its lowest afterwards. */
  readonly steps: number;
  /** What is left at the end, as a share of the peak. */
  readonly finalShare: number;
}

/** The learning rate of a step; steps count from 1. */
export function learningRateAt({ peak, warmUpSteps, steps, finalShare }: LearningRateSchedule, step: number): number {
  if (step <= warmUpSteps) return (peak * step) / warmUpSteps;
  const along = Math.min(1, (step - warmUpSteps) / Math.max(1, steps - warmUpSteps));
  return peak * (finalShare + (1 - finalShare) * 0.5 * (1 + Math.cos(Math.PI * along)));
}
