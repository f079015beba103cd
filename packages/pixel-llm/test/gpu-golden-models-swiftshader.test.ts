import { useDriver } from '../src/backends/webgpu/testing.ts';
import { testGpuGoldenModels } from './gpu-golden-models.ts';

useDriver('swiftshader');
testGpuGoldenModels('swiftshader', [
  'TinyStories-656K-Q8_0',
  'random-llama-F16',
  'random-llama-Q6_K',
  'random-qwen2-Q4_K',
  'random-qwen3-Q4_0',
]);
