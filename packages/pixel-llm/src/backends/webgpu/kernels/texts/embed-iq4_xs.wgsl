struct Sizes { rows: u32, context: u32, spare0: u32, spare1: u32 }
@group(0) @binding(0) var<storage, read> ids: array<i32>;
@group(0) @binding(1) var<storage, read> carried: array<i32>;
@group(0) @binding(2) var<storage, read> table_qs: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> table_sl: array<u32>;
@group(0) @binding(4) var<storage, read> table_sh: array<u32>;
@group(0) @binding(5) var<storage, read> table_d: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(7) var<uniform> sizes: Sizes;
fn half_at(word: u32, i: u32) -> f32 { return unpack2x16float(word >> (16u * (i & 1u))).x; }
fn unsigned_bytes(word: u32) -> vec4<f32> { return vec4<f32>((vec4(word) >> vec4(0u, 8u, 16u, 24u)) & vec4(255u)); }
fn signed_bytes(word: u32) -> vec4<f32> { return vec4<f32>(bitcast<vec4<i32>>(vec4(word) << vec4(24u, 16u, 8u, 0u)) >> vec4(24u)); }

struct table_Chunk { q: vec4<u32>, low: u32, high: u32, d: f32 }
fn table_load(g: u32) -> table_Chunk { return table_Chunk(table_qs[g], table_sl[g >> 3u] >> (4u * (g & 7u)), table_sh[g >> 4u] >> (16u * ((g >> 3u) & 1u) + 2u * (g & 7u)), half_at(table_d[((g >> 3u)) >> 1u], (g >> 3u))); }
fn table_factor(k: table_Chunk, g: u32, r: u32) -> vec2<f32> {
  return vec2(k.d * (f32((k.low & 15u) | ((k.high & 3u) << 4u)) - 32.0), 0.0);
}
fn table_word(k: table_Chunk, g: u32, r: u32, j: u32) -> u32 { return (k.q[j] >> (4u * r)) & 0x0f0f0f0fu; }
var<workgroup> table_levels: array<f32, 16>;
fn table_quad(k: table_Chunk, g: u32, r: u32, j: u32) -> vec4<f32> { let w = table_word(k, g, r, j); return vec4(table_levels[(w >> 0u) & 15u], table_levels[(w >> 8u) & 15u], table_levels[(w >> 16u) & 15u], table_levels[(w >> 24u) & 15u]); }
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  if (lane < 16u) { table_levels[lane] = array<f32, 16>(-127.0, -104.0, -83.0, -65.0, -49.0, -35.0, -22.0, -10.0, 1.0, 13.0, 25.0, 38.0, 53.0, 69.0, 89.0, 113.0)[lane]; }
  workgroupBarrier();
  let i = (workgroup.x + workgroup.y * groups.x) * 64u + lane;
  if (i >= sizes.rows * 128u) { return; }
  let entry = i / 128u;
  let c = i % 128u;
  let id = ids[entry];
  var token = u32(max(id, 0));
  if (id < 0) { token = u32(carried[-1 - id]); }
  if (token < 0u || token >= 32000u) { return; }
  let g = (token - 0u) * 128u + c;
  let k = table_load(g);
  for (var r = 0u; r < 2u; r++) {
    let f = table_factor(k, g, r);
    let start = entry * 4096u + 32u * c + 16u * r;
    for (var j = 0u; j < 4u; j++) {
      let value = f.x * table_quad(k, g, r, j);
      out[(start >> 2u) + j] = value;
    }
  }
}
