import { useDriver } from '../src/backends/webgpu/testing.ts';
import { testGpuConformance } from './gpu-conformance.ts';

useDriver('lavapipe');
testGpuConformance('lavapipe', [
  { name: 'all it has', maxTokens: 256 },
  {
    name: 'no f16, no subgroups, the least limits, weights in pieces',
    ops: ['embed', 'matmul'],
    restrictions: { f16: false, subgroups: false, leastLimits: true, maxBindingBytes: 1 << 16 },
    cacheType: 'f32',
    fuse: false,
  },
]);
