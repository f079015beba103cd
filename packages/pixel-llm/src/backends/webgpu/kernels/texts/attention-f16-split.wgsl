struct Sizes { rows: u32, context: u32, spare0: u32, spare1: u32 }
@group(0) @binding(0) var<storage, read> q: array<f32>;
@group(0) @binding(1) var<storage, read> keys: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> values: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> entries: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> pages: array<u32>;
@group(0) @binding(5) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(6) var<uniform> sizes: Sizes;
fn split_tokens() -> u32 { return 64u * max(1u, (sizes.context + 4095u) / 4096u); }
fn split_count() -> u32 { return (sizes.context + split_tokens() - 1u) / split_tokens(); }
fn quad_of(raw: vec2<u32>) -> vec4<f32> { return vec4(unpack2x16float(raw.x), unpack2x16float(raw.y)); }
fn place_of(list: u32, position: u32) -> u32 {
  return pages[list + position / 64u] * 64u + position % 64u;
}
// There is one slice.
const own = 0u;
var<workgroup> query: array<vec4<f32>, 224>;
var<workgroup> scores: array<f32, 512>;
var<workgroup> parts: array<f32, 64>;
var<workgroup> kept: array<f32, 8>;
var<workgroup> shares: array<vec4<f32>, 64>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let entry = entries[workgroup.z];
  let list = entry.y;
  let kv_head = workgroup.x / 1u;
  let first_in_group = (workgroup.x % 1u) * 7u;
  let heads_here = min(7u, 7u - first_in_group);
  let first_head = kv_head * 7u + first_in_group;
  let seen_from = 0u;
  let start = max(seen_from, workgroup.y * split_tokens());
  let end = min(entry.x + 1u, (workgroup.y + 1u) * split_tokens());
  for (var i = lane; i < 224u; i += 64u) {
    let head = min(i / 32u, heads_here - 1u);
    let from_dim = 4u * (i % 32u);
    let from_head = (workgroup.z * 28u + first_head + head) * 128u;
    var four = vec4(0.0);
    for (var d = 0u; d < 4u; d++) { if (from_dim + d < 128u) { four[d] = q[from_head + from_dim + d]; } }
    query[i] = four * 0.125f;
  }
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
  workgroupBarrier();
  for (var tile = start; tile < end; tile += 64u) {
    let position = tile + lane;
    if (position < end) {
      let at = place_of(list, position) * 128u + kv_head * 32u;
      var score0 = vec4(0.0); var score1 = vec4(0.0); var score2 = vec4(0.0); var score3 = vec4(0.0); var score4 = vec4(0.0); var score5 = vec4(0.0); var score6 = vec4(0.0);
      for (var d = 0u; d < 32u; d++) {
        let key = quad_of(keys[at + d]);
        score0 += query[0u + d] * key; score1 += query[32u + d] * key; score2 += query[64u + d] * key; score3 += query[96u + d] * key; score4 += query[128u + d] * key; score5 += query[160u + d] * key; score6 += query[192u + d] * key;
      }
      scores[0u + lane] = dot(score0, vec4(1.0));
  scores[64u + lane] = dot(score1, vec4(1.0));
  scores[128u + lane] = dot(score2, vec4(1.0));
  scores[192u + lane] = dot(score3, vec4(1.0));
  scores[256u + lane] = dot(score4, vec4(1.0));
  scores[320u + lane] = dot(score5, vec4(1.0));
  scores[384u + lane] = dot(score6, vec4(1.0));
    } else {
      scores[0u + lane] = -3.0e38;
  scores[64u + lane] = -3.0e38;
  scores[128u + lane] = -3.0e38;
  scores[192u + lane] = -3.0e38;
  scores[256u + lane] = -3.0e38;
  scores[320u + lane] = -3.0e38;
  scores[384u + lane] = -3.0e38;
    }
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
      let weight = select(0.0, exp(scores[at] - next), tile + i < end);
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
  if (soft_lane == 0u) { parts[soft_row] = largest; kept[soft_row] = total; }
  workgroupBarrier();
  {
    shares[own * 8u + lane] = sum0_0;
    workgroupBarrier();
    {
      let quad = lane + 0u;
      if (quad < 32u && 0u < heads_here) {
        var four = shares[own * 8u + quad];
        for (var i = 1u; i < 2u; i++) { four += shares[own * 8u + quad + i * 32u]; }
        let to = ((workgroup.z * 28u + first_head + 0u) * split_count() + workgroup.y) * 33u;
        partial[to + quad] = four;
        if (quad == 0u) { partial[to + 32u] = vec4(parts[0], kept[0], 0.0, 0.0); }
      }
    }
    workgroupBarrier();
  }
  {
    shares[own * 8u + lane] = sum1_0;
    workgroupBarrier();
    {
      let quad = lane + 0u;
      if (quad < 32u && 1u < heads_here) {
        var four = shares[own * 8u + quad];
        for (var i = 1u; i < 2u; i++) { four += shares[own * 8u + quad + i * 32u]; }
        let to = ((workgroup.z * 28u + first_head + 1u) * split_count() + workgroup.y) * 33u;
        partial[to + quad] = four;
        if (quad == 0u) { partial[to + 32u] = vec4(parts[1], kept[1], 0.0, 0.0); }
      }
    }
    workgroupBarrier();
  }
  {
    shares[own * 8u + lane] = sum2_0;
    workgroupBarrier();
    {
      let quad = lane + 0u;
      if (quad < 32u && 2u < heads_here) {
        var four = shares[own * 8u + quad];
        for (var i = 1u; i < 2u; i++) { four += shares[own * 8u + quad + i * 32u]; }
        let to = ((workgroup.z * 28u + first_head + 2u) * split_count() + workgroup.y) * 33u;
        partial[to + quad] = four;
        if (quad == 0u) { partial[to + 32u] = vec4(parts[2], kept[2], 0.0, 0.0); }
      }
    }
    workgroupBarrier();
  }
  {
    shares[own * 8u + lane] = sum3_0;
    workgroupBarrier();
    {
      let quad = lane + 0u;
      if (quad < 32u && 3u < heads_here) {
        var four = shares[own * 8u + quad];
        for (var i = 1u; i < 2u; i++) { four += shares[own * 8u + quad + i * 32u]; }
        let to = ((workgroup.z * 28u + first_head + 3u) * split_count() + workgroup.y) * 33u;
        partial[to + quad] = four;
        if (quad == 0u) { partial[to + 32u] = vec4(parts[3], kept[3], 0.0, 0.0); }
      }
    }
    workgroupBarrier();
  }
  {
    shares[own * 8u + lane] = sum4_0;
    workgroupBarrier();
    {
      let quad = lane + 0u;
      if (quad < 32u && 4u < heads_here) {
        var four = shares[own * 8u + quad];
        for (var i = 1u; i < 2u; i++) { four += shares[own * 8u + quad + i * 32u]; }
        let to = ((workgroup.z * 28u + first_head + 4u) * split_count() + workgroup.y) * 33u;
        partial[to + quad] = four;
        if (quad == 0u) { partial[to + 32u] = vec4(parts[4], kept[4], 0.0, 0.0); }
      }
    }
    workgroupBarrier();
  }
  {
    shares[own * 8u + lane] = sum5_0;
    workgroupBarrier();
    {
      let quad = lane + 0u;
      if (quad < 32u && 5u < heads_here) {
        var four = shares[own * 8u + quad];
        for (var i = 1u; i < 2u; i++) { four += shares[own * 8u + quad + i * 32u]; }
        let to = ((workgroup.z * 28u + first_head + 5u) * split_count() + workgroup.y) * 33u;
        partial[to + quad] = four;
        if (quad == 0u) { partial[to + 32u] = vec4(parts[5], kept[5], 0.0, 0.0); }
      }
    }
    workgroupBarrier();
  }
  {
    shares[own * 8u + lane] = sum6_0;
    workgroupBarrier();
    {
      let quad = lane + 0u;
      if (quad < 32u && 6u < heads_here) {
        var four = shares[own * 8u + quad];
        for (var i = 1u; i < 2u; i++) { four += shares[own * 8u + quad + i * 32u]; }
        let to = ((workgroup.z * 28u + first_head + 6u) * split_count() + workgroup.y) * 33u;
        partial[to + quad] = four;
        if (quad == 0u) { partial[to + 32u] = vec4(parts[6], kept[6], 0.0, 0.0); }
      }
    }
    workgroupBarrier();
  }
}
