struct Shape { rows: u32, columns: u32, inner: u32, spare: u32 }
@group(0) @binding(0) var<storage, read> a: array<vec2<u32>>;
@group(0) @binding(1) var<storage, read> b: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform> shape: Shape;
var<workgroup> tile_w: array<vec4<f32>, 256>;
var<workgroup> tile_x: array<vec4<f32>, 256>;
@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let tiles = (shape.columns + 63u) / 64u;
  let tile = workgroup.x + workgroup.y * groups.x;
  let first_column = (tile % tiles) * 64u;
  let first_row = (tile / tiles) * 64u;
  if (first_row >= shape.rows) { return; }
  let inner_quads = (shape.inner + 3u) / 4u;
  let own = lane % 64u;
  var low0 = vec4(0.0); var high0 = vec4(0.0);
  var low1 = vec4(0.0); var high1 = vec4(0.0);
  var low2 = vec4(0.0); var high2 = vec4(0.0);
  var low3 = vec4(0.0); var high3 = vec4(0.0);
  let part_row = lane / 16u;
  let part_token = lane % 16u;
  for (var unit = 0u; unit < (shape.inner + 15u) / 16u; unit++) {
    if (lane < 64u) {
      
      let row = min(first_column + own, shape.columns - 1u) * inner_quads;
      for (var j = 0u; j < 4u; j++) {
        let four = b[row + min(4u * unit + j, inner_quads - 1u)];
        let value = select(vec4(0.0), vec4(unpack2x16float(four.x), unpack2x16float(four.y)), 4u * unit + j < inner_quads);
        tile_w[(4u * j + 0u) * 16u + own / 4u][own % 4u] = value.x; tile_w[(4u * j + 1u) * 16u + own / 4u][own % 4u] = value.y; tile_w[(4u * j + 2u) * 16u + own / 4u][own % 4u] = value.z; tile_w[(4u * j + 3u) * 16u + own / 4u][own % 4u] = value.w;
      }
    } else {
      
      let row = min(first_row + own, shape.rows - 1u) * inner_quads;
      for (var j = 0u; j < 4u; j++) {
        let four = a[row + min(4u * unit + j, inner_quads - 1u)];
        let value = select(vec4(0.0), vec4(unpack2x16float(four.x), unpack2x16float(four.y)), 4u * unit + j < inner_quads);
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
  store(first_row + 4u * part_token + 0u, first_column + 8u * part_row, low0, high0);
  store(first_row + 4u * part_token + 1u, first_column + 8u * part_row, low1, high1);
  store(first_row + 4u * part_token + 2u, first_column + 8u * part_row, low2, high2);
  store(first_row + 4u * part_token + 3u, first_column + 8u * part_row, low3, high3);
}
fn store(row: u32, column: u32, low: vec4<f32>, high: vec4<f32>) {
  if (row >= shape.rows) { return; }
  for (var i = 0u; i < 8u; i++) {
    if (column + i < shape.columns) { out[row * shape.columns + column + i] = select(high[i & 3u], low[i & 3u], i < 4u); }
  }
}
