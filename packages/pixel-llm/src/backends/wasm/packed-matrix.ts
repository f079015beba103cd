/**
 * A weight matrix (or one thread's share of its rows) in kernel memory: packed as the kernels like it, once, from planes; then
 * multiplied with activations, or read row by row where it is an embedding table.
 */
import { PixelError } from '../../core/errors.ts';
import type { DotKind, Kernel, KernelModule } from './kernel-module.ts';
import { type PackedFormat, packedBytes, panelBytes } from './packed-formats.ts';

/** Where a product finds its operands and leaves its result: byte addresses. */
export interface ProductOperands {
  readonly tokens: number;
  /** [tokens, columns] f32; read by float formats. */
  readonly x: number;
  /** The same activations as 8-bit integers, with what is noted of each block; read by integer formats. */
  readonly quantized: number;
  readonly meta: number;
  /** [tokens, rows] f32. */
  readonly out: number;
  /** [rows, padded to four] f32, or 0 for none. */
  readonly bias: number;
  /** As many bytes as the matrix's productScratchBytes says. */
  readonly scratch: number;
}

export class PackedMatrix {
  readonly format: PackedFormat;
  readonly rows: number;
  readonly columns: number;
  readonly #address: number;
  readonly #module: KernelModule;
  readonly #pack: Kernel;
  readonly #product: Kernel;
  readonly #tiles: Kernel | undefined;
  readonly #row: Kernel;

  /** Takes the memory; `pack` fills it. Throws `out-of-memory`. */
  constructor(module: KernelModule, format: PackedFormat, rows: number, columns: number) {
    const { name } = format;
    this.format = format;
    this.rows = rows;
    this.columns = columns;
    this.#module = module;
    this.#address = module.take(packedBytes(format, rows, columns));
    this.#pack = module.kernel(`pack${name}`);
    const way = format.isInteger && sumsInPairs(name, module.dotKind) ? 'Pairs' : '';
    this.#product = module.kernel(`product${name}${way}`);
    if (format.isInteger) this.#tiles = module.kernel(`tiles${name}${way}`);
    this.#row = module.kernel(`row${name}`);
  }

  /** Bytes of scratch that packing and rows need. */
  get scratchBytes(): number {
    return Math.max(this.format.isInteger ? panelBytes(this.columns) : 0, 16 * this.columns + 512);
  }

  /** Bytes of scratch that a product with so many tokens needs. */
  productScratchBytes(tokens: number): number {
    if (!this.format.isInteger || tokens === 1) return 0;
    return this.#module.kernel('tileScratch')(this.columns / 32, tokens);
  }

  /**
   * Packs `count` rows from `firstRow` on, a multiple of four. planes: the bytes of each of the format's planes, in its order.
   * staging: address of scratchBytes that this may overwrite. Throws `not-finite`.
   */
  pack(firstRow: number, count: number, planes: readonly Uint8Array[], staging: number): void {
    const { u8 } = this.#module;
    const bytesPerRow = planes.map(({ length }) => length / count);
    const starts = bytesPerRow.map((_, i) => {
      const before = bytesPerRow.slice(0, i).reduce((sum, bytes) => sum + paddedRows(bytes), 0);
      return staging + before;
    });
    for (let row = 0; row < count; row += 4) {
      planes.forEach((plane, i) => {
        const [start, bytes] = [starts[i]!, bytesPerRow[i]!];
        const rows = plane.subarray(row * bytes, Math.min(count, row + 4) * bytes);
        u8.fill(0, start, start + 4 * bytes);
        u8.set(rows, start);
      });
      this.#packGroup(this.#groupAt(firstRow + row), starts);
    }
  }

  /** [tokens, columns] x [rows, columns] -> [tokens, rows], plus bias. */
  product({ tokens, x, quantized, meta, out, bias, scratch }: ProductOperands): void {
    const { rows, columns } = this;
    const [address, blocks] = [this.#address, columns / 32];
    if (this.format.isInteger && tokens === 1) {
      this.#product(address, rows, blocks, quantized, meta, out, bias);
    } else if (this.#tiles) {
      this.#tiles(address, rows, blocks, quantized, meta, tokens, out, 4 * rows, bias, scratch);
    } else {
      this.#product(this.#address, rows, columns, x, tokens, out, 4 * rows, bias);
    }
  }

  /** Row `index` as f32 [columns] at `out`; panels: scratchBytes of scratch. */
  row(index: number, out: number, panels: number): void {
    this.#row(this.#address, index, this.format.isInteger ? this.columns / 32 : this.columns, out, panels);
  }

  #groupAt(row: number): number {
    return this.#address + (row / 4) * this.format.groupBytes(this.columns);
  }

  #packGroup(group: number, starts: readonly number[]): void {
    let kept = 0;
    if (this.format.isInteger) {
      const planes = this.format.planes;
      const addresses = planes.map((name, i) => (name ? starts[planes.slice(0, i).filter(Boolean).length]! : 0));
      kept = this.#pack(...addresses, this.columns / 32, group);
    } else {
      kept = this.#pack(starts[0]!, this.columns, group);
    }
    if (!kept) throw new PixelError('not-finite', 'Some weights are infinite or not numbers.');
  }
}

/** Only unsigned sums of four take weights of 8 bits; those of fewer do as well where sums are signed. */
function sumsInPairs(name: string, kind: DotKind): boolean {
  return kind === 'pairs' || (kind === 'signed' && name === 'Q8_0');
}

/** Four rows of a plane, to the next multiple of 64. */
function paddedRows(bytesPerRow: number): number {
  return Math.ceil((4 * bytesPerRow) / 64) * 64;
}
