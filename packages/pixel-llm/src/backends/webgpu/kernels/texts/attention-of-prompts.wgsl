@group(0) @binding(0) var<storage, read> q: array<f32>;
@group(0) @binding(1) var<storage, read> keys: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> values: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> entries: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> pages: array<u32>;
@group(0) @binding(5) var<storage, read> runs: array<vec2<u32>>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
fn quad_of(raw: vec2<u32>) -> vec4<f32> { return vec4(unpack2x16float(raw.x), unpack2x16float(raw.y)); }
fn place_of(list: u32, position: u32) -> u32 {
  return pages[list + position / 64u] * 64u + position % 64u;
}
var<workgroup> query: array<vec4<f32>, 896>;
var<workgroup> strip: array<vec2<u32>, 528>;
var<workgroup> scores: array<f32, 2048>;
var<workgroup> parts: array<f32, 256>;
var<workgroup> kept: array<f32, 32>;
var<workgroup> shares: array<vec4<f32>, 256>;
fn first_seen(position: u32) -> u32 { return 0u; }
// The positions that an entry sees, up to the second; of entries that are not there, none.
fn seen_by(first: u32, count: u32, i: u32) -> vec2<u32> {
  if (i >= count) { return vec2(0u); }
  let position = entries[first + i].x;
  return vec2(first_seen(position), position + 1u);
}
@compute @workgroup_size(64, 4)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>, @builtin(local_invocation_index) index: u32) {
  let run = runs[workgroup.z / 8u];
  let before = (workgroup.z % 8u) * 4u;
  if (before >= run.y) { return; }
  let first = run.x + before;
  let count = min(4u, run.y - before);
  let list = entries[first].y;
  let kv_head = workgroup.x / 1u;
  let first_in_group = (workgroup.x % 1u) * 7u;
  let heads_here = min(7u, 7u - first_in_group);
  let first_head = kv_head * 7u + first_in_group;
  var start = 0xffffffffu;
  var end = 0u;
  for (var i = 0u; i < count; i++) {
    let position = entries[first + i].x;
    start = min(start, first_seen(position));
    end = max(end, position + 1u);
  }
  for (var i = index; i < 896u; i += 256u) {
    let row = i / 32u;
    let entry = first + min(row / 7u, count - 1u);
    let head = first_head + min(row % 7u, heads_here - 1u);
    let dim = 4u * (i % 32u);
    let begin = (entry * 28u + head) * 128u + dim;
    var four = vec4(0.0);
    for (var d = 0u; d < 4u; d++) { if (dim + d < 128u) { four[d] = q[begin + d]; } }
    query[i] = four * 0.125f;
  }
  let lane = local.x;
  let own = local.y * 8u;
  let first_entry = local.y * 1u;
  let seen0 = seen_by(first, count, first_entry + 0u);
  var largest = -3.0e38;
  var total = 0.0;
  var sum0_0 = vec4(0.0);
  var sum1_0 = vec4(0.0);
  var sum2_0 = vec4(0.0);
  var sum3_0 = vec4(0.0);
  var sum4_0 = vec4(0.0);
  var sum5_0 = vec4(0.0);
  var sum6_0 = vec4(0.0);
  let soft_row = lane / 8u;
  let soft_lane = lane % 8u;
  let soft_seen = seen_by(first, count, first_entry + min(soft_row / 7u, 0u));
  for (var tile = start; tile < end; tile += 64u) {
    var score0 = vec4(0.0); var score1 = vec4(0.0); var score2 = vec4(0.0); var score3 = vec4(0.0); var score4 = vec4(0.0); var score5 = vec4(0.0); var score6 = vec4(0.0);
    for (var strip_start = 0u; strip_start < 32u; strip_start += 8u) {
      for (var i = index; i < 512u; i += 256u) {
        let quad = strip_start + i % 8u;
        let position = tile + i / 8u;
        if (position < end && quad < 32u) {
          strip[(i % 8u) * 66u + i / 8u] = keys[place_of(list, position) * 128u + kv_head * 32u + quad];
        }
      }
      workgroupBarrier();
      let here = min(8u, 32u - strip_start);
      for (var d = 0u; d < here; d++) {
        let key = quad_of(strip[d * 66u + lane]);
        let at = local.y * 224u + strip_start + d;
        score0 += query[at + 0u] * key;
  score1 += query[at + 32u] * key;
  score2 += query[at + 64u] * key;
  score3 += query[at + 96u] * key;
  score4 += query[at + 128u] * key;
  score5 += query[at + 160u] * key;
  score6 += query[at + 192u] * key;
      }
      workgroupBarrier();
    }
    let position = tile + lane;
    scores[(own + 0u) * 64u + lane] = select(-3.0e38, dot(score0, vec4(1.0)), position >= seen0.x && position < seen0.y);
    scores[(own + 1u) * 64u + lane] = select(-3.0e38, dot(score1, vec4(1.0)), position >= seen0.x && position < seen0.y);
    scores[(own + 2u) * 64u + lane] = select(-3.0e38, dot(score2, vec4(1.0)), position >= seen0.x && position < seen0.y);
    scores[(own + 3u) * 64u + lane] = select(-3.0e38, dot(score3, vec4(1.0)), position >= seen0.x && position < seen0.y);
    scores[(own + 4u) * 64u + lane] = select(-3.0e38, dot(score4, vec4(1.0)), position >= seen0.x && position < seen0.y);
    scores[(own + 5u) * 64u + lane] = select(-3.0e38, dot(score5, vec4(1.0)), position >= seen0.x && position < seen0.y);
    scores[(own + 6u) * 64u + lane] = select(-3.0e38, dot(score6, vec4(1.0)), position >= seen0.x && position < seen0.y);
    workgroupBarrier();
    var highest = -3.0e38;
    for (var i = soft_lane; i < 64u; i += 8u) { highest = max(highest, scores[(own + soft_row) * 64u + i]); }
    parts[own * 8u + lane] = highest;
    workgroupBarrier();
    var next = largest;
    for (var i = 0u; i < 8u; i++) { next = max(next, parts[(own + soft_row) * 8u + i]); }
    let shrink = exp(largest - next);
    largest = next;
    var weights = 0.0;
    for (var i = soft_lane; i < 64u; i += 8u) {
      let at = (own + soft_row) * 64u + i;
      let weight = select(0.0, exp(scores[at] - next), tile + i >= soft_seen.x && tile + i < soft_seen.y);
      scores[at] = weight;
      weights += weight;
    }
    workgroupBarrier();
    parts[own * 8u + lane] = weights;
    if (soft_lane == 0u) { kept[own + soft_row] = shrink; }
    workgroupBarrier();
    total *= shrink;
    for (var i = 0u; i < 8u; i++) { total += parts[(own + soft_row) * 8u + i]; }
    sum0_0 *= kept[own + 0u];
  sum1_0 *= kept[own + 1u];
  sum2_0 *= kept[own + 2u];
  sum3_0 *= kept[own + 3u];
  sum4_0 *= kept[own + 4u];
  sum5_0 *= kept[own + 5u];
  sum6_0 *= kept[own + 6u];
    let stop = min(64u, end - tile);
    for (var i = lane / 32u; i < stop; i += 2u) {
      
      let at = place_of(list, tile + i) * 128u + kv_head * 32u;
      {
        let quad = lane % 32u;
        
        let value = quad_of(values[at + quad]);
        sum0_0 += scores[(own + 0u) * 64u + i] * value; sum1_0 += scores[(own + 1u) * 64u + i] * value; sum2_0 += scores[(own + 2u) * 64u + i] * value; sum3_0 += scores[(own + 3u) * 64u + i] * value; sum4_0 += scores[(own + 4u) * 64u + i] * value; sum5_0 += scores[(own + 5u) * 64u + i] * value; sum6_0 += scores[(own + 6u) * 64u + i] * value;
        
      }
    }
    workgroupBarrier();
  }
  if (soft_lane == 0u) { kept[own + soft_row] = total; }
  workgroupBarrier();
  {
    shares[own * 8u + lane] = sum0_0;
    workgroupBarrier();
    {
      let quad = lane + 0u;
      if (quad < 32u && first_entry + 0u < count && 0u < heads_here) {
        var four = shares[own * 8u + quad];
        for (var i = 1u; i < 2u; i++) { four += shares[own * 8u + quad + i * 32u]; }
        let to = ((first + first_entry + 0u) * 28u + first_head + 0u) * 128u;
        for (var d = 0u; d < 4u; d++) { if (4u * quad + d < 128u) { out[to + 4u * quad + d] = four[d] / kept[own + 0u]; } }
      }
    }
    workgroupBarrier();
  }
  {
    shares[own * 8u + lane] = sum1_0;
    workgroupBarrier();
    {
      let quad = lane + 0u;
      if (quad < 32u && first_entry + 0u < count && 1u < heads_here) {
        var four = shares[own * 8u + quad];
        for (var i = 1u; i < 2u; i++) { four += shares[own * 8u + quad + i * 32u]; }
        let to = ((first + first_entry + 0u) * 28u + first_head + 1u) * 128u;
        for (var d = 0u; d < 4u; d++) { if (4u * quad + d < 128u) { out[to + 4u * quad + d] = four[d] / kept[own + 1u]; } }
      }
    }
    workgroupBarrier();
  }
  {
    shares[own * 8u + lane] = sum2_0;
    workgroupBarrier();
    {
      let quad = lane + 0u;
      if (quad < 32u && first_entry + 0u < count && 2u < heads_here) {
        var four = shares[own * 8u + quad];
        for (var i = 1u; i < 2u; i++) { four += shares[own * 8u + quad + i * 32u]; }
        let to = ((first + first_entry + 0u) * 28u + first_head + 2u) * 128u;
        for (var d = 0u; d < 4u; d++) { if (4u * quad + d < 128u) { out[to + 4u * quad + d] = four[d] / kept[own + 2u]; } }
      }
    }
    workgroupBarrier();
  }
  {
    shares[own * 8u + lane] = sum3_0;
    workgroupBarrier();
    {
      let quad = lane + 0u;
      if (quad < 32u && first_entry + 0u < count && 3u < heads_here) {
        var four = shares[own * 8u + quad];
        for (var i = 1u; i < 2u; i++) { four += shares[own * 8u + quad + i * 32u]; }
        let to = ((first + first_entry + 0u) * 28u + first_head + 3u) * 128u;
        for (var d = 0u; d < 4u; d++) { if (4u * quad + d < 128u) { out[to + 4u * quad + d] = four[d] / kept[own + 3u]; } }
      }
    }
    workgroupBarrier();
  }
  {
    shares[own * 8u + lane] = sum4_0;
    workgroupBarrier();
    {
      let quad = lane + 0u;
      if (quad < 32u && first_entry + 0u < count && 4u < heads_here) {
        var four = shares[own * 8u + quad];
        for (var i = 1u; i < 2u; i++) { four += shares[own * 8u + quad + i * 32u]; }
        let to = ((first + first_entry + 0u) * 28u + first_head + 4u) * 128u;
        for (var d = 0u; d < 4u; d++) { if (4u * quad + d < 128u) { out[to + 4u * quad + d] = four[d] / kept[own + 4u]; } }
      }
    }
    workgroupBarrier();
  }
  {
    shares[own * 8u + lane] = sum5_0;
    workgroupBarrier();
    {
      let quad = lane + 0u;
      if (quad < 32u && first_entry + 0u < count && 5u < heads_here) {
        var four = shares[own * 8u + quad];
        for (var i = 1u; i < 2u; i++) { four += shares[own * 8u + quad + i * 32u]; }
        let to = ((first + first_entry + 0u) * 28u + first_head + 5u) * 128u;
        for (var d = 0u; d < 4u; d++) { if (4u * quad + d < 128u) { out[to + 4u * quad + d] = four[d] / kept[own + 5u]; } }
      }
    }
    workgroupBarrier();
  }
  {
    shares[own * 8u + lane] = sum6_0;
    workgroupBarrier();
    {
      let quad = lane + 0u;
      if (quad < 32u && first_entry + 0u < count && 6u < heads_here) {
        var four = shares[own * 8u + quad];
        for (var i = 1u; i < 2u; i++) { four += shares[own * 8u + quad + i * 32u]; }
        let to = ((first + first_entry + 0u) * 28u + first_head + 6u) * 128u;
        for (var d = 0u; d < 4u; d++) { if (4u * quad + d < 128u) { out[to + 4u * quad + d] = four[d] / kept[own + 6u]; } }
      }
    }
    workgroupBarrier();
  }
}
