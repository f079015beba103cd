enable subgroups;
struct Sizes { rows: u32, context: u32, spare0: u32, spare1: u32 }
@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform> sizes: Sizes;
var<workgroup> sums: array<f32, 8>;
var<workgroup> sum_parts: u32;
fn sum_of(i: u32) -> f32 {
  var total = 0.0;
  for (var part = 0u; part < sum_parts; part++) { total += sums[part * 1u + i]; }
  return total;
}
@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(subgroup_size) subgroup_width: u32, @builtin(subgroup_invocation_id) subgroup_lane: u32) {
  var sum = vec4(0.0);
  for (var i = lane; 4u * i < sizes.rows; i += 256u) { sum += a[i] * b[i]; }
  let own = dot(sum, vec4(1.0));
  let total0 = subgroupAdd(own);
  if (subgroup_lane == 0u) {
    let part = (lane / subgroup_width) * 1u;
    sums[part + 0u] = total0;
  }
  if (lane == 0u) { sum_parts = max(1u, 256u / subgroup_width); }
  workgroupBarrier();
  if (lane == 0u) { out[0] = sum_of(0u); }
}
