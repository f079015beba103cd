/** What a worker does that trains: it has the whole training Program, and computes a batch whenever it is asked. */
import { PixelError } from '../../../core/errors.ts';
import { KernelModule } from '../kernel-module.ts';
import type { FromTrainingThread, ToThread, ToTrainingThread } from '../thread-messages.ts';
import { TrainingShare } from './training-share.ts';

export function isForTraining(message: ToThread | ToTrainingThread): message is ToTrainingThread {
  return ['startTraining', 'setWeights', 'train'].includes(message.kind);
}

/** Returns what to do with each message. `answer` transfers the buffers it is given. */
export function serveTraining(
  answer: (message: FromTrainingThread, transfer: readonly ArrayBuffer[]) => void,
): (message: ToTrainingThread) => void {
  let share: TrainingShare | undefined;
  return (message) => {
    try {
      if (message.kind === 'startTraining') {
        share = new TrainingShare(new KernelModule(message.compiled), message.program);
      } else if (message.kind === 'setWeights') {
        for (const [name, values] of message.weights) share!.setWeight(name, values);
      } else {
        const result = share!.run(message.batch, message);
        const buffers = [result.losses, ...result.gradients.values()].map(({ buffer }) => buffer);
        answer({ kind: 'trained', result }, buffers);
        return;
      }
      answer({ kind: 'ready' }, []);
    } catch (error) {
      const code = error instanceof PixelError ? error.code : 'device-lost';
      answer({ kind: 'failed', code, message: error instanceof Error ? error.message : String(error) }, []);
    }
  };
}
