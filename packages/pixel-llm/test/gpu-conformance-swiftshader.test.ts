import { useDriver } from '../src/backends/webgpu/testing.ts';
import { testGpuConformance } from './gpu-conformance.ts';

useDriver('swiftshader');
testGpuConformance('swiftshader', [
  { name: 'all it has', maxTokens: 64, steps: { matmul: 11, attention: 2 } },
  {
    name: 'no subgroups, the least limits, keys and values in f32',
    ops: ['attention'],
    steps: { attention: 5 },
    restrictions: { subgroups: false, leastLimits: true },
    cacheType: 'f32',
    fuse: false,
  },
]);
