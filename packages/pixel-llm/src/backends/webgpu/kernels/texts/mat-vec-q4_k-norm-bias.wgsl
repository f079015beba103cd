enable subgroups;
struct Sizes { rows: u32, context: u32, spare0: u32, spare1: u32 }
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> gain: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> matrix_qs: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> matrix_sc: array<u32>;
@group(0) @binding(4) var<storage, read> matrix_dm: array<u32>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
fn half_at(word: u32, i: u32) -> f32 { return unpack2x16float(word >> (16u * (i & 1u))).x; }
fn unsigned_bytes(word: u32) -> vec4<f32> { return vec4<f32>((vec4(word) >> vec4(0u, 8u, 16u, 24u)) & vec4(255u)); }
fn signed_bytes(word: u32) -> vec4<f32> { return vec4<f32>(bitcast<vec4<i32>>(vec4(word) << vec4(24u, 16u, 8u, 0u)) >> vec4(24u)); }

struct matrix_Chunk { q: vec4<u32>, s: vec4<u32> }
fn matrix_load(g: u32) -> matrix_Chunk { return matrix_Chunk(matrix_qs[g], vec4(matrix_sc[3u * (g / 8u)], matrix_sc[3u * (g / 8u) + 1u], matrix_sc[3u * (g / 8u) + 2u], matrix_dm[g / 8u])); }
fn matrix_factor(k: matrix_Chunk, g: u32, r: u32) -> vec2<f32> {
  let s = 2u * ((g >> 1u) & 3u) + r;
  let shift = 8u * (s & 3u);
  let low = k.s.x >> shift;
  let middle = k.s.y >> shift;
  let high = k.s.z >> shift;
  let scale = select((high & 15u) | ((low >> 2u) & 48u), low & 63u, s < 4u);
  let minimum = select(((high >> 4u) & 15u) | ((middle >> 2u) & 48u), middle & 63u, s < 4u);
  let dm = unpack2x16float(k.s.w);
  return vec2(dm.x * f32(scale), -dm.y * f32(minimum));
}
fn matrix_word(k: matrix_Chunk, g: u32, r: u32, j: u32) -> u32 { return (k.q[j] >> (4u * r)) & 0x0f0f0f0fu; }
fn matrix_quad(k: matrix_Chunk, g: u32, r: u32, j: u32) -> vec4<f32> { return unsigned_bytes(matrix_word(k, g, r, j)); }

var<workgroup> tile: array<vec4<f32>, 512>;
var<workgroup> sums: array<f32, 10>;
var<workgroup> sum_parts: u32;
fn sum_of(i: u32) -> f32 {
  var total = 0.0;
  for (var part = 0u; part < sum_parts; part++) { total += sums[part * 5u + i]; }
  return total;
}
fn add_products(a: vec4<f32>, b: vec4<f32>, sum: f32) -> f32 {
  return sum + a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w;
}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32, @builtin(subgroup_size) subgroup_width: u32, @builtin(subgroup_invocation_id) subgroup_lane: u32) {
  let group = workgroup.x + workgroup.y * groups.x;
  if (group >= 1152u) { return; }
  
  var first = 0u;
  var sum0_0 = 0.0;
  var sum1_0 = 0.0;
  var sum2_0 = 0.0;
  var sum3_0 = 0.0;
  var squares0 = 0.0;
  {
    let row = (group - 0u) * 4u;
    first = row + 0u;
    let row0 = (min(row + 0u, 4607u)) * 112u;
    let row1 = (min(row + 1u, 4607u)) * 112u;
    let row2 = (min(row + 2u, 4607u)) * 112u;
    let row3 = (min(row + 3u, 4607u)) * 112u;
    for (var strip = 0u; strip < 2u; strip++) {
      let own = strip * 64u + lane;
      let c = min(own, 111u);
      let g0 = row0 + c; let k0 = matrix_load(g0);
      let g1 = row1 + c; let k1 = matrix_load(g1);
      let g2 = row2 + c; let k2 = matrix_load(g2);
      let g3 = row3 + c; let k3 = matrix_load(g3);
      for (var r = 0u; r < 2u; r++) {
        let half = ((strip * 2u + r) & 1u) * 256u;
        for (var i = lane; i < 256u; i += 64u) {
          let neighbour = i / 4u;
          let chunk = strip * 64u + neighbour;
          let to = half + neighbour * 4u + ((i % 4u) ^ ((neighbour >> 1u) & 3u));
          if (chunk < 112u) {
            let at = ((64u * (chunk >> 1u) + 16u * (chunk & 1u) + 32u * r) >> 2u) + i % 4u;
            let by = gain[at];
            let raw0 = x[0u + at];
            squares0 = add_products(raw0, raw0, squares0);
            tile[to + 0u] = raw0 * by;
          } else {
            tile[to + 0u] = vec4(0.0);
          }
        }
        workgroupBarrier();
        let source = half + lane * 4u;
        let swizzle = (lane >> 1u) & 3u;
        var part0 = 0.0; var part1 = 0.0; var part2 = 0.0; var part3 = 0.0; var total = vec4(0.0);
        for (var j = 0u; j < 4u; j++) {
          let x0 = tile[source + 0u + (j ^ swizzle)];
          total += x0;
          part0 = add_products(matrix_quad(k0, g0, r, j), x0, part0);
          part1 = add_products(matrix_quad(k1, g1, r, j), x0, part1);
          part2 = add_products(matrix_quad(k2, g2, r, j), x0, part2);
          part3 = add_products(matrix_quad(k3, g3, r, j), x0, part3);
        }
        let offset_by = dot(total, vec4(1.0));
        let f0 = matrix_factor(k0, g0, r); sum0_0 += f0.x * part0 + f0.y * offset_by;
        let f1 = matrix_factor(k1, g1, r); sum1_0 += f1.x * part1 + f1.y * offset_by;
        let f2 = matrix_factor(k2, g2, r); sum2_0 += f2.x * part2 + f2.y * offset_by;
        let f3 = matrix_factor(k3, g3, r); sum3_0 += f3.x * part3 + f3.y * offset_by;
      }
    }
  }
  let total0 = subgroupAdd(sum0_0);
  let total1 = subgroupAdd(sum1_0);
  let total2 = subgroupAdd(sum2_0);
  let total3 = subgroupAdd(sum3_0);
  let total4 = subgroupAdd(squares0);
  if (subgroup_lane == 0u) {
    let part = (lane / subgroup_width) * 5u;
    sums[part + 0u] = total0;
    sums[part + 1u] = total1;
    sums[part + 2u] = total2;
    sums[part + 3u] = total3;
    sums[part + 4u] = total4;
  }
  if (lane == 0u) { sum_parts = max(1u, 64u / subgroup_width); }
  workgroupBarrier();
  if (lane < 4u) {
    let t = lane / 4u;
    let in_group = lane % 4u;
    let at = first + in_group;
    if (at < 4608u) {
      var value = sum_of(t * 4u + in_group) * inverseSqrt(sum_of(4u + t) / 3584.0 + 9.999999974752427e-7f) + bias[at];
      out[t * 4608u + at] = value;
    }
  }
}
