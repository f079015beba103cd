import { useDriver } from '../src/backends/webgpu/testing.ts';
import { testGpuConformance } from './gpu-conformance.ts';

useDriver('lavapipe');
testGpuConformance('lavapipe', [
  { name: 'all it has', maxTokens: 256, steps: { matmul: 3, attention: 14 } },
  {
    name: 'no f16, no subgroups, the least limits, weights in pieces',
    ops: ['embed', 'matmul'],
    steps: { matmul: 7 },
    restrictions: { f16: false, subgroups: false, leastLimits: true, maxBindingBytes: 1 << 16 },
    fuse: false,
  },
]);
