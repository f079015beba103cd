/** For tests on a GPU: which driver, and a device that one file shares. */
import { existsSync, globSync } from 'node:fs';
import { after, type TestContext, test } from 'node:test';
import { chooseAdapter } from './adapters.ts';
import { type DeviceRestrictions, GpuDevice } from './gpu-device.ts';
import './node.ts';

/** Software drivers, and where their descriptions lie. */
const DRIVERS = {
  lavapipe: '/usr/share/vulkan/icd.d/lvp_icd*.json',
  swiftshader: '/usr/lib/chromium/vk_swiftshader_icd.json',
} as const;

const MISSING = 'there is no WebGPU adapter here (package "webgpu" and a Vulkan driver)';

/** A part of the adapter's name: any, software too, unless the environment or the test file chooses. */
let adapterName = process.env.PIXEL_GPU_ADAPTER ?? '';
let isDriverMissing = false;

/** The tests of this file run on that driver. Before anything else of the file: drivers are found once a process. */
export function useDriver(driver: keyof typeof DRIVERS): void {
  const [file] = globSync(DRIVERS[driver]);
  if (file !== undefined && existsSync(file)) process.env.VK_ICD_FILENAMES = file;
  else isDriverMissing = true;
  adapterName = driver === 'lavapipe' ? 'llvmpipe' : driver;
}

const opened = new Map<string, Promise<GpuDevice>>();

after(async () => {
  for (const device of opened.values()) (await device).destroy();
});

/** A device that the tests of this file share; undefined (said loudly) where there is none, and with REQUIRE_GPU=1 a failure. */
export async function testDevice(
  context: TestContext,
  restrictions: DeviceRestrictions = {},
): Promise<GpuDevice | undefined> {
  const key = JSON.stringify(restrictions);
  try {
    if (isDriverMissing) throw new Error(`the driver ${adapterName} is not installed`);
    const device = opened.get(key) ?? chooseAdapter(adapterName).then((found) => GpuDevice.open(found, restrictions));
    await device;
    opened.set(key, device);
    return await device;
  } catch (error) {
    if (process.env.REQUIRE_GPU === '1') throw error;
    context.skip(`NOT CHECKED: ${isDriverMissing ? `the driver ${adapterName} is not installed` : MISSING}`);
    return undefined;
  }
}

/** A test that needs a GPU adapter of any kind: skipped, and counted as skipped, where there is none. */
export function gpuTest(
  title: string,
  body: (device: GpuDevice) => Promise<void>,
  restrictions: DeviceRestrictions = {},
): void {
  void test(title, async (context) => {
    const device = await testDevice(context, restrictions);
    if (device) await body(device);
  });
}
