struct Sizes { rows: u32, context: u32, spare0: u32, spare1: u32 }
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> matrix_ql: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> matrix_qh: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> matrix_sc: array<u32>;
@group(0) @binding(4) var<storage, read> matrix_d: array<u32>;
@group(0) @binding(5) var<storage, read> residual: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(7) var<uniform> sizes: Sizes;
fn half_at(word: u32, i: u32) -> f32 { return unpack2x16float(word >> (16u * (i & 1u))).x; }
fn unsigned_bytes(word: u32) -> vec4<f32> { return vec4<f32>((vec4(word) >> vec4(0u, 8u, 16u, 24u)) & vec4(255u)); }
fn signed_bytes(word: u32) -> vec4<f32> { return vec4<f32>(bitcast<vec4<i32>>(vec4(word) << vec4(24u, 16u, 8u, 0u)) >> vec4(24u)); }

struct matrix_Chunk { q: vec4<u32>, h: vec4<u32>, s: vec2<u32>, d: f32 }
fn matrix_load(g: u32) -> matrix_Chunk { return matrix_Chunk(matrix_ql[g], matrix_qh[4u * (g >> 3u) + 2u * ((g >> 2u) & 1u) + (g & 1u)], vec2(matrix_sc[4u * (g >> 3u) + 2u * ((g >> 2u) & 1u)], matrix_sc[4u * (g >> 3u) + 2u * ((g >> 2u) & 1u) + 1u]), half_at(matrix_d[((g >> 3u)) >> 1u], (g >> 3u))); }
fn matrix_factor(k: matrix_Chunk, g: u32, r: u32) -> vec2<f32> {
  let scale = k.d * f32(bitcast<i32>(k.s[r] << (24u - 8u * (g & 3u))) >> 24u);
  return vec2(scale, -32.0 * scale);
}
fn matrix_word(k: matrix_Chunk, g: u32, r: u32, j: u32) -> u32 { return ((k.q[j] >> (4u * r)) & 0x0f0f0f0fu) | (((k.h[j] >> (2u * ((g >> 1u) & 1u) + 4u * r)) & 0x03030303u) << 4u); }
fn matrix_quad(k: matrix_Chunk, g: u32, r: u32, j: u32) -> vec4<f32> { return unsigned_bytes(matrix_word(k, g, r, j)); }
var<workgroup> tile_w: array<vec4<f32>, 256>;
var<workgroup> tile_x: array<vec4<f32>, 256>;
fn x_quad(token: u32, q: u32) -> vec4<f32> {
  if (q >= 4736u) { return vec4(0.0); }
  let pair = x[token * 4736u + q];
  return pair;
}
@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let tile_row = workgroup.x * 64u;
  let tile_token = (workgroup.y + workgroup.z * 65535u) * 64u;
  if (tile_token >= sizes.rows) { return; }
  
  let own = lane % 64u;
  let row = min(tile_row + own, 3583u);
  let token = min(tile_token + own, sizes.rows - 1u);
  var low0 = vec4(0.0); var high0 = vec4(0.0);
  var low1 = vec4(0.0); var high1 = vec4(0.0);
  var low2 = vec4(0.0); var high2 = vec4(0.0);
  var low3 = vec4(0.0); var high3 = vec4(0.0);
  let part_row = lane / 16u;
  let part_token = lane % 16u;
  for (var unit = 0u; unit < 1184u; unit++) {
    if (lane < 64u) {
      let r = ((unit >> 2u) & 1u);
      let g = row * 592u + (4u * (unit >> 3u) + 2u * ((unit >> 1u) & 1u) + (unit & 1u));
      let k = matrix_load(g);
      let f = matrix_factor(k, g, r);
      for (var j = 0u; j < 4u; j++) {
        let value = f.x * matrix_quad(k, g, r, j) + f.y;
        tile_w[(4u * j + 0u) * 16u + own / 4u][own % 4u] = value.x; tile_w[(4u * j + 1u) * 16u + own / 4u][own % 4u] = value.y; tile_w[(4u * j + 2u) * 16u + own / 4u][own % 4u] = value.z; tile_w[(4u * j + 3u) * 16u + own / 4u][own % 4u] = value.w;
      }
    } else {
      for (var j = 0u; j < 4u; j++) {
        let value = x_quad(token, 4u * unit + j);
        tile_x[(4u * j + 0u) * 16u + own / 4u][own % 4u] = value.x; tile_x[(4u * j + 1u) * 16u + own / 4u][own % 4u] = value.y; tile_x[(4u * j + 2u) * 16u + own / 4u][own % 4u] = value.z; tile_x[(4u * j + 3u) * 16u + own / 4u][own % 4u] = value.w;
      }
    }
    workgroupBarrier();
    for (var k = 0u; k < 16u; k++) {
      let w0 = tile_w[k * 16u + 2u * part_row];
      let w1 = tile_w[k * 16u + 2u * part_row + 1u];
      let by = tile_x[k * 16u + part_token];
      low0 += w0 * by.x; high0 += w1 * by.x;
      low1 += w0 * by.y; high1 += w1 * by.y;
      low2 += w0 * by.z; high2 += w1 * by.z;
      low3 += w0 * by.w; high3 += w1 * by.w;
    }
    workgroupBarrier();
  }
  store(tile_token + 4u * part_token + 0u, tile_row + 8u * part_row, low0, high0);
  store(tile_token + 4u * part_token + 1u, tile_row + 8u * part_row, low1, high1);
  store(tile_token + 4u * part_token + 2u, tile_row + 8u * part_row, low2, high2);
  store(tile_token + 4u * part_token + 3u, tile_row + 8u * part_row, low3, high3);
}
fn store(token: u32, row: u32, low: vec4<f32>, high: vec4<f32>) {
  if (token >= sizes.rows) { return; }
  for (var i = 0u; i < 8u; i++) {
    if (row + i < 3584u) {
      let at = 0u + row + i;
      var value = select(high[i & 3u], low[i & 3u], i < 4u);
      
      value += residual[token * 3584u + at];
      out[token * 3584u + at] = value;
    }
  }
}
