/**
 * The compiled kernels (assembly/): which of the two builds this machine can run, and an instance of it with memory of its own.
 */
import { PixelError } from '../../core/errors.ts';

export type KernelBuild = 'relaxed' | 'plain';

/** What probeDot (assembly/dot.ts) finds: sums of four products, of unsigned or signed 8-bit weights, in one instruction; or of two. */
export type DotKind = 'pairs' | 'unsigned' | 'signed';

const DOT_KINDS: readonly DotKind[] = ['pairs', 'unsigned', 'signed'];

/** What runs models (assembly/kernels.ts), and what trains them (assembly/training.ts). */
export type KernelSet = 'kernels' | 'training';

/** Every kernel takes and returns numbers: byte addresses, counts, factors. */
export type Kernel = (...operands: number[]) => number;

/** Bytes at the start of memory that the kernels use themselves: 256 of scratch, then their constants. */
const KERNEL_SCRATCH = 1024;

/** Bytes after the last weight that product kernels may touch (and ignore). */
const TOUCHED_BEYOND = 4096;

const PAGE = 65_536;

/** The build for this machine: relaxed SIMD where the engine knows it. */
export function supportedBuild(): KernelBuild {
  return WebAssembly.validate(RELAXED_PROBE) ? 'relaxed' : 'plain';
}

/** An instance of the kernels. Memory only grows; views of it end when it does, so take them from here. */
export class KernelModule {
  readonly memory: WebAssembly.Memory;
  /** How this machine multiplies integers best. */
  readonly dotKind: DotKind;
  readonly #kernels: WebAssembly.Exports;
  #u8: Uint8Array<ArrayBuffer>;
  #f32: Float32Array<ArrayBuffer>;
  #i32: Int32Array<ArrayBuffer>;
  #used: number = KERNEL_SCRATCH;
  /** Where what was taken last begins. */
  #latest = 0;

  constructor(module: WebAssembly.Module) {
    this.memory = new WebAssembly.Memory({ initial: 1, maximum: 65_536 });
    this.#kernels = new WebAssembly.Instance(module, { env: { memory: this.memory } }).exports;
    this.#u8 = new Uint8Array(this.memory.buffer);
    this.#f32 = new Float32Array(this.memory.buffer);
    this.#i32 = new Int32Array(this.memory.buffer);
    this.dotKind = DOT_KINDS[this.kernel('probeDot')(0)] ?? 'pairs';
  }

  /** The kernel of that name. Throws `bad-argument`. */
  kernel(name: string): Kernel {
    const kernel = this.#kernels[name];
    if (typeof kernel !== 'function') throw new PixelError('bad-argument', `There is no kernel "${name}".`);
    return kernel as Kernel;
  }

  /** Takes `bytes` of memory, zeroed, for good: nothing is ever given back. Returns a multiple of 64. Throws `out-of-memory`. */
  take(bytes: number): number {
    const start = Math.ceil(this.#used / 64) * 64;
    const end = start + bytes;
    const missing = Math.ceil((end + TOUCHED_BEYOND - this.memory.buffer.byteLength) / PAGE);
    if (missing > 0) this.#grow(missing);
    this.#used = end;
    this.#latest = start;
    return start;
  }

  /** Takes `bytes` again where `start` began, if that was taken last, else elsewhere. 0 stands for never. Throws `out-of-memory`. */
  retake(start: number, bytes: number): number {
    if (start > 0 && start === this.#latest) this.#used = start;
    return this.take(bytes);
  }

  get u8(): Uint8Array<ArrayBuffer> {
    return this.#u8;
  }

  get f32(): Float32Array<ArrayBuffer> {
    return this.#f32;
  }

  get i32(): Int32Array<ArrayBuffer> {
    return this.#i32;
  }

  #grow(pages: number): void {
    try {
      this.memory.grow(pages);
    } catch (cause) {
      const message = `WebAssembly gives no ${pages * PAGE} bytes more: a worker's memory ends at 4 GiB. More threads share the weights out.`;
      throw new PixelError('out-of-memory', message, { cause });
    }
    const { buffer } = this.memory;
    this.#u8 = new Uint8Array(buffer);
    this.#f32 = new Float32Array(buffer);
    this.#i32 = new Int32Array(buffer);
  }
}

/** A module whose only function computes i32x4.relaxed_dot_i8x16_i7x16_add_s of zeros. */
const RELAXED_PROBE = new Uint8Array([
  // header; type section: () -> v128; function section; code section
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b, 0x03, 0x02, 0x01, 0x00,
  0x0a, 0x13, 0x01, 0x11, 0x00, 0x41, 0x00, 0xfd, 0x11, 0x41, 0x00, 0xfd, 0x11, 0x41, 0x00, 0xfd, 0x11, 0xfd, 0x93,
  0x02, 0x0b,
]);
