import { useDriver } from '../src/backends/webgpu/testing.ts';
import { testGpuConformance } from './gpu-conformance.ts';

useDriver('swiftshader');
testGpuConformance('swiftshader', [{ name: 'all it has', maxTokens: 64 }]);
