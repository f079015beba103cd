import { useDriver } from '../src/backends/webgpu/testing.ts';
import { testGpuProducts } from './gpu-products.ts';

useDriver('swiftshader');
testGpuProducts('swiftshader');
