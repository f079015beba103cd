struct Sizes { rows: u32, context: u32, spare0: u32, spare1: u32 }
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> matrix_qs: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> matrix_d: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<uniform> sizes: Sizes;
fn half_at(word: u32, i: u32) -> f32 { return unpack2x16float(word >> (16u * (i & 1u))).x; }
fn unsigned_bytes(word: u32) -> vec4<f32> { return vec4<f32>((vec4(word) >> vec4(0u, 8u, 16u, 24u)) & vec4(255u)); }
fn signed_bytes(word: u32) -> vec4<f32> { return vec4<f32>(bitcast<vec4<i32>>(vec4(word) << vec4(24u, 16u, 8u, 0u)) >> vec4(24u)); }

struct matrix_Chunk { q: vec4<u32>, d: f32 }
fn matrix_load(g: u32) -> matrix_Chunk { return matrix_Chunk(matrix_qs[g], half_at(matrix_d[(g) >> 1u], g)); }
fn matrix_factor(k: matrix_Chunk, g: u32, r: u32) -> vec2<f32> {
  return vec2(k.d, -8.0 * k.d);
}
fn matrix_word(k: matrix_Chunk, g: u32, r: u32, j: u32) -> u32 { return (k.q[j] >> (4u * r)) & 0x0f0f0f0fu; }
fn matrix_quad(k: matrix_Chunk, g: u32, r: u32, j: u32) -> vec4<f32> { return unsigned_bytes(matrix_word(k, g, r, j)); }
fn silu(x: vec4<f32>) -> vec4<f32> { return x / (1.0 + exp(min(-x, vec4(88.0)))); }
// 0.5 (1 + tanh u) = 1 / (1 + e^-2u): some drivers' tanh is not a number for a large u.
fn gelu(x: vec4<f32>) -> vec4<f32> {
  let u = 0.7978845608028654 * (x + 0.044715 * x * x * x);
  return x / (1.0 + exp(min(-2.0 * u, vec4(88.0))));
}
var<workgroup> tile: array<vec4<f32>, 512>;
var<workgroup> sums: array<f32, 256>;
fn sum_of(i: u32) -> f32 {
  var total = 0.0;
  for (var n = 0u; n < 32u; n++) { total += sums[i * 32u + ((n + i) & 31u)]; }
  return total;
}
fn add_products(a: vec4<f32>, b: vec4<f32>, sum: f32) -> f32 {
  return sum + a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w;
}
@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let group = workgroup.x + workgroup.y * groups.x;
  if (group >= 9472u) { return; }
  
  var first = 0u;
  var sum0_0 = 0.0;
  var sum1_0 = 0.0;
  var sum2_0 = 0.0;
  var sum3_0 = 0.0;
  var sum0_1 = 0.0;
  var sum1_1 = 0.0;
  var sum2_1 = 0.0;
  var sum3_1 = 0.0;
  {
    let row = (group - 0u) * 2u;
    first = row + 0u;
    let row0 = (min(row + 0u, 18943u) + 0u) * 112u;
    let row1 = (min(row + 1u, 18943u) + 0u) * 112u;
    let row2 = (min(row + 0u, 18943u) + 18944u) * 112u;
    let row3 = (min(row + 1u, 18943u) + 18944u) * 112u;
    for (var strip = 0u; strip < 4u; strip++) {
      let own = strip * 32u + lane;
      let c = min(own, 111u);
      let g0 = row0 + c; let k0 = matrix_load(g0);
      let g1 = row1 + c; let k1 = matrix_load(g1);
      let g2 = row2 + c; let k2 = matrix_load(g2);
      let g3 = row3 + c; let k3 = matrix_load(g3);
      for (var r = 0u; r < 2u; r++) {
        let half = ((strip * 2u + r) & 1u) * 256u;
        for (var i = lane; i < 128u; i += 32u) {
          let neighbour = i / 4u;
          let chunk = strip * 32u + neighbour;
          let to = half + neighbour * 4u + ((i % 4u) ^ ((neighbour >> 1u) & 3u));
          if (chunk < 112u) {
            let at = ((32u * chunk + 16u * r) >> 2u) + i % 4u;
            let raw0 = x[min(0u, sizes.rows - 1u) * 896u + at];
            tile[to + 0u] = raw0;
            let raw1 = x[min(1u, sizes.rows - 1u) * 896u + at];
            tile[to + 128u] = raw1;
          } else {
            tile[to + 0u] = vec4(0.0);
            tile[to + 128u] = vec4(0.0);
          }
        }
        workgroupBarrier();
        let source = half + lane * 4u;
        let swizzle = (lane >> 1u) & 3u;
        let f0 = matrix_factor(k0, g0, r);
        let f1 = matrix_factor(k1, g1, r);
        let f2 = matrix_factor(k2, g2, r);
        let f3 = matrix_factor(k3, g3, r);
        for (var j = 0u; j < 4u; j++) {
          let w0 = f0.x * matrix_quad(k0, g0, r, j) + f0.y;
          let w1 = f1.x * matrix_quad(k1, g1, r, j) + f1.y;
          let w2 = f2.x * matrix_quad(k2, g2, r, j) + f2.y;
          let w3 = f3.x * matrix_quad(k3, g3, r, j) + f3.y;
          let x0 = tile[source + 0u + (j ^ swizzle)];
          sum0_0 = add_products(w0, x0, sum0_0);
          sum1_0 = add_products(w1, x0, sum1_0);
          sum2_0 = add_products(w2, x0, sum2_0);
          sum3_0 = add_products(w3, x0, sum3_0);
          let x1 = tile[source + 128u + (j ^ swizzle)];
          sum0_1 = add_products(w0, x1, sum0_1);
          sum1_1 = add_products(w1, x1, sum1_1);
          sum2_1 = add_products(w2, x1, sum2_1);
          sum3_1 = add_products(w3, x1, sum3_1);
        }
      }
    }
  }
  sums[0u + lane] = sum0_0;
  sums[32u + lane] = sum1_0;
  sums[64u + lane] = sum2_0;
  sums[96u + lane] = sum3_0;
  sums[128u + lane] = sum0_1;
  sums[160u + lane] = sum1_1;
  sums[192u + lane] = sum2_1;
  sums[224u + lane] = sum3_1;
  workgroupBarrier();
  if (lane < 4u) {
    let t = lane / 2u;
    let in_group = lane % 2u;
    let at = first + in_group;
    if (at < 18944u && t < sizes.rows) {
      let gate = sum_of(t * 4u + in_group);
      let up = sum_of(t * 4u + in_group + 2u);
      var value = silu(vec4(gate)).x * up;
      out[t * 18944u + at] = value;
    }
  }
}
