import { useDriver } from '../src/backends/webgpu/testing.ts';
import { testGpuTraining } from './gpu-training.ts';

useDriver('lavapipe');
testGpuTraining('lavapipe');
