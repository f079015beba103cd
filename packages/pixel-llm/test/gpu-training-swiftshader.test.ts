import { useDriver } from '../src/backends/webgpu/testing.ts';
import { testGpuTrainCommand, testGpuTraining } from './gpu-training.ts';

useDriver('swiftshader');
testGpuTraining('swiftshader');
testGpuTrainCommand('swiftshader');
