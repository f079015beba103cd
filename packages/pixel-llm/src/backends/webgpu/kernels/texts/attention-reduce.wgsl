struct Sizes { rows: u32, context: u32, spare0: u32, spare1: u32 }
@group(0) @binding(0) var<storage, read> partial: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<uniform> sizes: Sizes;
fn split_tokens() -> u32 { return 64u * max(1u, (sizes.context + 4095u) / 4096u); }
fn split_count() -> u32 { return (sizes.context + split_tokens() - 1u) / split_tokens(); }
var<workgroup> shares: array<f32, 64>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let head = workgroup.x + workgroup.y * groups.x;
  if (head >= sizes.rows * 28u) { return; }
  let splits = split_count();
  let start = head * splits * 33u;
  // The largest score of all parts, and with it each part's share: all invocations look at all parts, one writes each share.
  var largest = -3.0e38;
  for (var i = 0u; i < splits; i++) { largest = max(largest, partial[start + i * 33u + 32u].x); }
  var total = 0.0;
  for (var i = 0u; i < splits; i++) {
    let part = partial[start + i * 33u + 32u];
    let share = exp(part.x - largest);
    total += share * part.y;
    if (lane == i) { shares[i] = share; }
  }
  workgroupBarrier();
  for (var quad = lane; quad < 32u; quad += 64u) {
    var four = vec4(0.0);
    for (var i = 0u; i < splits; i++) { four += shares[i] * partial[start + i * 33u + quad]; }
    for (var d = 0u; d < 4u; d++) {
      if (4u * quad + d < 128u) { out[head * 128u + 4u * quad + d] = four[d] / total; }
    }
  }
}
