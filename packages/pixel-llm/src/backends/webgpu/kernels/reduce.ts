/** Sums and maxima over a workgroup, in one order whatever the device: what the kernels of one workgroup a row share. */

/** Invocations of a workgroup that goes over `width` values: a power of two, no more than are of use. */
export function rowWorkgroup(width: number, { maxInvocations }: { readonly maxInvocations: number }): number {
  let size = 32;
  while (size < width / 4 && size < 256 && 2 * size <= maxInvocations) size *= 2;
  return size;
}

/**
 * `workgroupSum(local, value)` and `workgroupMax(local, value)`: all invocations call them together, and all get the result, which is uniform.
 */
export function reduceWgsl(workgroup: number): string {
  const tree = (name: string, combine: string): string => `fn ${name}(local: u32, value: f32) -> f32 {
  partial[local] = value;
  workgroupBarrier();
  for (var half = ${workgroup / 2}u; half > 0u; half /= 2u) {
    if (local < half) { partial[local] = ${combine}; }
    workgroupBarrier();
  }
  return workgroupUniformLoad(&partial[0]);
}`;
  return `var<workgroup> partial: array<f32, ${workgroup}>;
${tree('workgroupSum', 'partial[local] + partial[local + half]')}
${tree('workgroupMax', 'max(partial[local], partial[local + half])')}`;
}
