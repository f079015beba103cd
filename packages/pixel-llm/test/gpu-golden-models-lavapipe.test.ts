import { useDriver } from '../src/backends/webgpu/testing.ts';
import { testGpuGoldenModels } from './gpu-golden-models.ts';

useDriver('lavapipe');
testGpuGoldenModels('lavapipe');
