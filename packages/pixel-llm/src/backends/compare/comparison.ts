/** What a comparison of two devices finds. */
import type { OpName } from '../../program/program.ts';
import type { DeviceName } from '../types.ts';
import type { Difference } from './difference.ts';

/** One op, where the two devices are furthest apart over all steps. */
export interface OpComparison extends Difference {
  /** Its place in the Program. */
  readonly index: number;
  /** `cache`: what an attention op keeps of its keys and values. `whole`: the model once more, with nothing but its outputs read back. */
  readonly op: OpName | 'cache' | 'whole';
  /** The value it writes. */
  readonly out: string;
  readonly tolerance: number;
  /** The step it happened in. */
  readonly step: string;
  /** Sizes of the value written, in that step. */
  readonly shape: readonly number[];
}

export interface DeviceComparison {
  readonly yardstick: DeviceName;
  readonly device: DeviceName;
  readonly steps: readonly string[];
  /** In the order of the Program. */
  readonly ops: readonly OpComparison[];
  /** The first that is beyond its tolerance. Undefined where the devices agree. */
  readonly first: OpComparison | undefined;
}
