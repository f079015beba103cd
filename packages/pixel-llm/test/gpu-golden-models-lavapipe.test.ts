import { useDriver } from '../src/backends/webgpu/testing.ts';
import { testGpuGoldenModels } from './gpu-golden-models.ts';

// This driver compiles attention for ten seconds and more.
useDriver('lavapipe');
testGpuGoldenModels('lavapipe', ['TinyStories-656K-Q8_0', 'random-qwen3-Q4_K']);
