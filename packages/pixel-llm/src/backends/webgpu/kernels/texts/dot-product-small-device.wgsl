struct Sizes { rows: u32, context: u32, spare0: u32, spare1: u32 }
@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform> sizes: Sizes;
var<workgroup> sums: array<f32, 256>;
@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
  var sum = vec4(0.0);
  for (var i = lane; 4u * i < sizes.rows; i += 256u) { sum += a[i] * b[i]; }
  let own = dot(sum, vec4(1.0));
  sums[0u + lane] = own;
  for (var width = 128u; width > 0u; width >>= 1u) {
    workgroupBarrier();
    if (lane < width) {
      for (var i = lane; i < 256u; i += 256u) { sums[i] += sums[i + width]; }
    }
  }
  workgroupBarrier();
  if (lane == 0u) { out[0] = sums[256u * (0u)]; }
}
