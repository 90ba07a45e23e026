// Attention, online softmax: z = softmax(q k) v and lse, the logarithm of each denominator.
// One team owns 8 queries of one head.
struct Sizes { heads: u32, group: u32, n_queries: u32, n_keys: u32, c4: u32, before: u32, after: u32, tiles: u32, heads_of_batch: u32, channel_tiles: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read>       queries: array<vec4f>; // q [B, T, H, Dh]
@group(0) @binding(2) var<storage, read>       keys: array<vec4f>;    // k [B, S, Hk, Dh]
@group(0) @binding(3) var<storage, read>       values: array<vec4f>;  // v [B, S, Hk, Dh]
@group(0) @binding(4) var<storage, read>       position: array<u32>;  // [1] where the first query stands
@group(0) @binding(5) var<storage, read_write> z: array<vec4f>;       // [B, T, H, Dh]
@group(0) @binding(6) var<storage, read_write> lse: array<f32>;       // [B, T, H]
var<workgroup> shared_vec4f: array<array<vec4f, 32>, 8>;
var<workgroup> shared_f32: array<array<f32, 32>, 8>;
var<workgroup> reduced: array<f32, 32>;
fn team_sum(x: f32, lane: u32) -> f32 {
  reduced[lane] = x;
  workgroupBarrier();
  var sum = 0.0;
  for (var i = 0u; i < 32u; i++) { sum += reduced[i]; }
  workgroupBarrier();
  return sum;
}
fn team_max(x: f32, lane: u32) -> f32 {
  reduced[lane] = x;
  workgroupBarrier();
  var greatest = reduced[0];
  for (var i = 1u; i < 32u; i++) { greatest = max(greatest, reduced[i]); }
  workgroupBarrier();
  return greatest;
}
fn first_visible(p: u32) -> u32 { return select(0u, p - sizes.before, p > sizes.before); }

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let number = group.x + group.y * groups.x;
  let tile = vec3u(number % sizes.tiles, number / sizes.tiles % sizes.heads_of_batch, number / sizes.tiles / sizes.heads_of_batch);
  if (tile.z >= sizes.channel_tiles) { return; }
  let key_heads = sizes.heads / sizes.group;
  let q_stride = sizes.heads * sizes.c4;
  let k_stride = key_heads * sizes.c4;
  let head = tile.y % sizes.heads;
  let sequence = tile.y / sizes.heads;
  let q_base = (sequence * sizes.n_queries * sizes.heads + head) * sizes.c4;
  let k_base = (sequence * sizes.n_keys * key_heads + head / sizes.group) * sizes.c4;
  let channel0 = tile.z * 32u + lane;
  let t0 = tile.x * 8u;
  let first = position[0];
  let from_key = first_visible(first + t0);
  let end_key = min(sizes.n_keys, first + min(t0 + 8u, sizes.n_queries) + sizes.after);
  let q_row0 = q_base + min(t0 + 0u, sizes.n_queries - 1u) * q_stride;
  var top0 = -1e30; var sum0 = 0.0;
  var z0_0 = vec4f();
  let q_row1 = q_base + min(t0 + 1u, sizes.n_queries - 1u) * q_stride;
  var top1 = -1e30; var sum1 = 0.0;
  var z1_0 = vec4f();
  let q_row2 = q_base + min(t0 + 2u, sizes.n_queries - 1u) * q_stride;
  var top2 = -1e30; var sum2 = 0.0;
  var z2_0 = vec4f();
  let q_row3 = q_base + min(t0 + 3u, sizes.n_queries - 1u) * q_stride;
  var top3 = -1e30; var sum3 = 0.0;
  var z3_0 = vec4f();
  let q_row4 = q_base + min(t0 + 4u, sizes.n_queries - 1u) * q_stride;
  var top4 = -1e30; var sum4 = 0.0;
  var z4_0 = vec4f();
  let q_row5 = q_base + min(t0 + 5u, sizes.n_queries - 1u) * q_stride;
  var top5 = -1e30; var sum5 = 0.0;
  var z5_0 = vec4f();
  let q_row6 = q_base + min(t0 + 6u, sizes.n_queries - 1u) * q_stride;
  var top6 = -1e30; var sum6 = 0.0;
  var z6_0 = vec4f();
  let q_row7 = q_base + min(t0 + 7u, sizes.n_queries - 1u) * q_stride;
  var top7 = -1e30; var sum7 = 0.0;
  var z7_0 = vec4f();
  for (var j0 = from_key; j0 < end_key; j0 += 32u) {
    let key = j0 + lane;
    let k_row = k_base + min(key, sizes.n_keys - 1u) * k_stride;
    var s0 = 0.0;
    var s1 = 0.0;
    var s2 = 0.0;
    var s3 = 0.0;
    var s4 = 0.0;
    var s5 = 0.0;
    var s6 = 0.0;
    var s7 = 0.0;
    for (var c = 0u; c < sizes.c4; c += 32u) {
      let c_in = min(c + lane, sizes.c4 - 1u);
      let q0 = queries[q_row0 + c_in];
      let q1 = queries[q_row1 + c_in];
      let q2 = queries[q_row2 + c_in];
      let q3 = queries[q_row3 + c_in];
      let q4 = queries[q_row4 + c_in];
      let q5 = queries[q_row5 + c_in];
      let q6 = queries[q_row6 + c_in];
      let q7 = queries[q_row7 + c_in];
      let channels = min(32u, sizes.c4 - c);
      shared_vec4f[0][lane] = q0;
      shared_vec4f[1][lane] = q1;
      shared_vec4f[2][lane] = q2;
      shared_vec4f[3][lane] = q3;
      shared_vec4f[4][lane] = q4;
      shared_vec4f[5][lane] = q5;
      shared_vec4f[6][lane] = q6;
      shared_vec4f[7][lane] = q7;
      workgroupBarrier();
      for (var q = 0u; q < channels; q++) {
        let kv = keys[k_row + c + q];
        s0 += dot(shared_vec4f[0][q], kv);
        s1 += dot(shared_vec4f[1][q], kv);
        s2 += dot(shared_vec4f[2][q], kv);
        s3 += dot(shared_vec4f[3][q], kv);
        s4 += dot(shared_vec4f[4][q], kv);
        s5 += dot(shared_vec4f[5][q], kv);
        s6 += dot(shared_vec4f[6][q], kv);
        s7 += dot(shared_vec4f[7][q], kv);
      }
      workgroupBarrier();
    }
    let seen0 = key < end_key && key <= first + t0 + 0u + sizes.after && key >= first_visible(first + t0 + 0u);
    s0 = select(-1e30, s0, seen0);
    let new_top0 = max(top0, team_max(s0, lane));
    let shrink0 = exp(top0 - new_top0);
    top0 = new_top0;
    let p0 = select(0.0, exp(s0 - new_top0), seen0);
    sum0 = sum0 * shrink0 + p0;
    z0_0 *= shrink0;
    let seen1 = key < end_key && key <= first + t0 + 1u + sizes.after && key >= first_visible(first + t0 + 1u);
    s1 = select(-1e30, s1, seen1);
    let new_top1 = max(top1, team_max(s1, lane));
    let shrink1 = exp(top1 - new_top1);
    top1 = new_top1;
    let p1 = select(0.0, exp(s1 - new_top1), seen1);
    sum1 = sum1 * shrink1 + p1;
    z1_0 *= shrink1;
    let seen2 = key < end_key && key <= first + t0 + 2u + sizes.after && key >= first_visible(first + t0 + 2u);
    s2 = select(-1e30, s2, seen2);
    let new_top2 = max(top2, team_max(s2, lane));
    let shrink2 = exp(top2 - new_top2);
    top2 = new_top2;
    let p2 = select(0.0, exp(s2 - new_top2), seen2);
    sum2 = sum2 * shrink2 + p2;
    z2_0 *= shrink2;
    let seen3 = key < end_key && key <= first + t0 + 3u + sizes.after && key >= first_visible(first + t0 + 3u);
    s3 = select(-1e30, s3, seen3);
    let new_top3 = max(top3, team_max(s3, lane));
    let shrink3 = exp(top3 - new_top3);
    top3 = new_top3;
    let p3 = select(0.0, exp(s3 - new_top3), seen3);
    sum3 = sum3 * shrink3 + p3;
    z3_0 *= shrink3;
    let seen4 = key < end_key && key <= first + t0 + 4u + sizes.after && key >= first_visible(first + t0 + 4u);
    s4 = select(-1e30, s4, seen4);
    let new_top4 = max(top4, team_max(s4, lane));
    let shrink4 = exp(top4 - new_top4);
    top4 = new_top4;
    let p4 = select(0.0, exp(s4 - new_top4), seen4);
    sum4 = sum4 * shrink4 + p4;
    z4_0 *= shrink4;
    let seen5 = key < end_key && key <= first + t0 + 5u + sizes.after && key >= first_visible(first + t0 + 5u);
    s5 = select(-1e30, s5, seen5);
    let new_top5 = max(top5, team_max(s5, lane));
    let shrink5 = exp(top5 - new_top5);
    top5 = new_top5;
    let p5 = select(0.0, exp(s5 - new_top5), seen5);
    sum5 = sum5 * shrink5 + p5;
    z5_0 *= shrink5;
    let seen6 = key < end_key && key <= first + t0 + 6u + sizes.after && key >= first_visible(first + t0 + 6u);
    s6 = select(-1e30, s6, seen6);
    let new_top6 = max(top6, team_max(s6, lane));
    let shrink6 = exp(top6 - new_top6);
    top6 = new_top6;
    let p6 = select(0.0, exp(s6 - new_top6), seen6);
    sum6 = sum6 * shrink6 + p6;
    z6_0 *= shrink6;
    let seen7 = key < end_key && key <= first + t0 + 7u + sizes.after && key >= first_visible(first + t0 + 7u);
    s7 = select(-1e30, s7, seen7);
    let new_top7 = max(top7, team_max(s7, lane));
    let shrink7 = exp(top7 - new_top7);
    top7 = new_top7;
    let p7 = select(0.0, exp(s7 - new_top7), seen7);
    sum7 = sum7 * shrink7 + p7;
    z7_0 *= shrink7;
    let block = min(32u, end_key - j0);
    shared_f32[0][lane] = p0;
    shared_f32[1][lane] = p1;
    shared_f32[2][lane] = p2;
    shared_f32[3][lane] = p3;
    shared_f32[4][lane] = p4;
    shared_f32[5][lane] = p5;
    shared_f32[6][lane] = p6;
    shared_f32[7][lane] = p7;
    workgroupBarrier();
    for (var q = 0u; q < block; q++) {
      let v_row = k_base + (j0 + q) * k_stride;
      let v0 = values[v_row + min(channel0 + 0u, sizes.c4 - 1u)];
      { let w = vec4f(shared_f32[0][q]); z0_0 = fma(w, v0, z0_0); }
      { let w = vec4f(shared_f32[1][q]); z1_0 = fma(w, v0, z1_0); }
      { let w = vec4f(shared_f32[2][q]); z2_0 = fma(w, v0, z2_0); }
      { let w = vec4f(shared_f32[3][q]); z3_0 = fma(w, v0, z3_0); }
      { let w = vec4f(shared_f32[4][q]); z4_0 = fma(w, v0, z4_0); }
      { let w = vec4f(shared_f32[5][q]); z5_0 = fma(w, v0, z5_0); }
      { let w = vec4f(shared_f32[6][q]); z6_0 = fma(w, v0, z6_0); }
      { let w = vec4f(shared_f32[7][q]); z7_0 = fma(w, v0, z7_0); }
    }
    workgroupBarrier();
  }
  {
    let total = team_sum(sum0, lane);
    if (t0 + 0u < sizes.n_queries) {
      if (channel0 + 0u < sizes.c4) { z[q_row0 + channel0 + 0u] = z0_0 / total; }
      if (channel0 == 0u) { lse[(sequence * sizes.n_queries + t0 + 0u) * sizes.heads + head] = top0 + log(total); }
    }
  }
  {
    let total = team_sum(sum1, lane);
    if (t0 + 1u < sizes.n_queries) {
      if (channel0 + 0u < sizes.c4) { z[q_row1 + channel0 + 0u] = z1_0 / total; }
      if (channel0 == 0u) { lse[(sequence * sizes.n_queries + t0 + 1u) * sizes.heads + head] = top1 + log(total); }
    }
  }
  {
    let total = team_sum(sum2, lane);
    if (t0 + 2u < sizes.n_queries) {
      if (channel0 + 0u < sizes.c4) { z[q_row2 + channel0 + 0u] = z2_0 / total; }
      if (channel0 == 0u) { lse[(sequence * sizes.n_queries + t0 + 2u) * sizes.heads + head] = top2 + log(total); }
    }
  }
  {
    let total = team_sum(sum3, lane);
    if (t0 + 3u < sizes.n_queries) {
      if (channel0 + 0u < sizes.c4) { z[q_row3 + channel0 + 0u] = z3_0 / total; }
      if (channel0 == 0u) { lse[(sequence * sizes.n_queries + t0 + 3u) * sizes.heads + head] = top3 + log(total); }
    }
  }
  {
    let total = team_sum(sum4, lane);
    if (t0 + 4u < sizes.n_queries) {
      if (channel0 + 0u < sizes.c4) { z[q_row4 + channel0 + 0u] = z4_0 / total; }
      if (channel0 == 0u) { lse[(sequence * sizes.n_queries + t0 + 4u) * sizes.heads + head] = top4 + log(total); }
    }
  }
  {
    let total = team_sum(sum5, lane);
    if (t0 + 5u < sizes.n_queries) {
      if (channel0 + 0u < sizes.c4) { z[q_row5 + channel0 + 0u] = z5_0 / total; }
      if (channel0 == 0u) { lse[(sequence * sizes.n_queries + t0 + 5u) * sizes.heads + head] = top5 + log(total); }
    }
  }
  {
    let total = team_sum(sum6, lane);
    if (t0 + 6u < sizes.n_queries) {
      if (channel0 + 0u < sizes.c4) { z[q_row6 + channel0 + 0u] = z6_0 / total; }
      if (channel0 == 0u) { lse[(sequence * sizes.n_queries + t0 + 6u) * sizes.heads + head] = top6 + log(total); }
    }
  }
  {
    let total = team_sum(sum7, lane);
    if (t0 + 7u < sizes.n_queries) {
      if (channel0 + 0u < sizes.c4) { z[q_row7 + channel0 + 0u] = z7_0 / total; }
      if (channel0 == 0u) { lse[(sequence * sizes.n_queries + t0 + 7u) * sizes.heads + head] = top7 + log(total); }
    }
  }
}
