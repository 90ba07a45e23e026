// Expert product c[s] = a[row of s] w[expert of s]; 1 fused pointwise value(s).
// A workgroup of 8 teams of 32 lanes owns up to 8 slots of one expert by 128 columns.
enable subgroups;
diagnostic(off, subgroup_uniformity);
struct Sizes { n4: u32, k4: u32, a_div: u32, column_tiles: u32, slot_tiles: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read>       a: array<vec4f>;     // [rows, k]
@group(0) @binding(2) var<storage, read>       b: array<vec4f>;     // w [experts, k, n]
@group(0) @binding(3) var<storage, read>       order: array<u32>;   // [slots] slots sorted by expert
@group(0) @binding(4) var<storage, read>       tiles: array<vec4u>; // [tiles] expert, first place in order, slots, 0
@group(0) @binding(5) var<storage, read_write> y0: array<vec4f>;    // c [rows, columns]
@group(0) @binding(6) var<storage, read>       x0: array<f32>;      // [rows, columns] or broadcast
@group(0) @binding(7) var<storage, read_write> y1: array<vec4f>;    // [rows, columns] or broadcast
fn team_sum(x: f32, lane: u32) -> f32 { return subgroupAdd(x); }
fn team_max(x: f32, lane: u32) -> f32 { return subgroupMax(x); }
var<workgroup> parts: array<vec4f, 1024>;
fn finish(row: u32, column: u32, value: vec4f) {
  let at = row * sizes.n4 + column;
  y0[at] = value;
  let s0 = x0[row];
  let v1 = (vec4f(s0) * max(value, vec4f(0.0)));
  y1[at] = v1;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) invocation: u32) {
  let number = group.x + group.y * groups.x;
  let tile = vec2u(number % sizes.column_tiles, number / sizes.column_tiles);
  if (tile.y >= sizes.slot_tiles) { return; }
  let job = tiles[tile.y];
  if (job.z == 0u) { return; }
  let part = invocation / 32u;
  let lane = invocation % 32u;
  let column = tile.x * 32u + lane;
  let column_in = min(column, sizes.n4 - 1u);
  let w_base = job.x * sizes.n4 * sizes.k4 * 4u;
  let slot0 = order[job.y + min(0u, job.z - 1u)];
  let a_row0 = (slot0 / sizes.a_div) * sizes.k4;
  var c0 = vec4f();
  let slot1 = order[job.y + min(1u, job.z - 1u)];
  let a_row1 = (slot1 / sizes.a_div) * sizes.k4;
  var c1 = vec4f();
  let slot2 = order[job.y + min(2u, job.z - 1u)];
  let a_row2 = (slot2 / sizes.a_div) * sizes.k4;
  var c2 = vec4f();
  let slot3 = order[job.y + min(3u, job.z - 1u)];
  let a_row3 = (slot3 / sizes.a_div) * sizes.k4;
  var c3 = vec4f();
  let slot4 = order[job.y + min(4u, job.z - 1u)];
  let a_row4 = (slot4 / sizes.a_div) * sizes.k4;
  var c4 = vec4f();
  let slot5 = order[job.y + min(5u, job.z - 1u)];
  let a_row5 = (slot5 / sizes.a_div) * sizes.k4;
  var c5 = vec4f();
  let slot6 = order[job.y + min(6u, job.z - 1u)];
  let a_row6 = (slot6 / sizes.a_div) * sizes.k4;
  var c6 = vec4f();
  let slot7 = order[job.y + min(7u, job.z - 1u)];
  let a_row7 = (slot7 / sizes.a_div) * sizes.k4;
  var c7 = vec4f();
  let run = (sizes.k4 + 7u) / 8u;
  for (var done = 0u; done < run; done += 32u) {
    let k = part * run + done;
    let k_in = min(k + lane, sizes.k4 - 1u);
    let filled = min(min(32u, run - done), max(sizes.k4, k) - k);
    let a0 = a[a_row0 + k_in];
    let a1 = a[a_row1 + k_in];
    let a2 = a[a_row2 + k_in];
    let a3 = a[a_row3 + k_in];
    let a4 = a[a_row4 + k_in];
    let a5 = a[a_row5 + k_in];
    let a6 = a[a_row6 + k_in];
    let a7 = a[a_row7 + k_in];
    for (var q = 0u; q < filled; q++) {
      let b_at = w_base + (k + q) * 4u * sizes.n4 + column_in;
      let b0 = b[b_at]; let b1 = b[b_at + sizes.n4]; let b2 = b[b_at + 2u * sizes.n4]; let b3 = b[b_at + 3u * sizes.n4];
      { let x = subgroupShuffle(a0, q); c0 = fma(vec4f(x.w), b3, fma(vec4f(x.z), b2, fma(vec4f(x.y), b1, fma(vec4f(x.x), b0, c0)))); }
      { let x = subgroupShuffle(a1, q); c1 = fma(vec4f(x.w), b3, fma(vec4f(x.z), b2, fma(vec4f(x.y), b1, fma(vec4f(x.x), b0, c1)))); }
      { let x = subgroupShuffle(a2, q); c2 = fma(vec4f(x.w), b3, fma(vec4f(x.z), b2, fma(vec4f(x.y), b1, fma(vec4f(x.x), b0, c2)))); }
      { let x = subgroupShuffle(a3, q); c3 = fma(vec4f(x.w), b3, fma(vec4f(x.z), b2, fma(vec4f(x.y), b1, fma(vec4f(x.x), b0, c3)))); }
      { let x = subgroupShuffle(a4, q); c4 = fma(vec4f(x.w), b3, fma(vec4f(x.z), b2, fma(vec4f(x.y), b1, fma(vec4f(x.x), b0, c4)))); }
      { let x = subgroupShuffle(a5, q); c5 = fma(vec4f(x.w), b3, fma(vec4f(x.z), b2, fma(vec4f(x.y), b1, fma(vec4f(x.x), b0, c5)))); }
      { let x = subgroupShuffle(a6, q); c6 = fma(vec4f(x.w), b3, fma(vec4f(x.z), b2, fma(vec4f(x.y), b1, fma(vec4f(x.x), b0, c6)))); }
      { let x = subgroupShuffle(a7, q); c7 = fma(vec4f(x.w), b3, fma(vec4f(x.z), b2, fma(vec4f(x.y), b1, fma(vec4f(x.x), b0, c7)))); }
    }
  }
  for (var half = 4u; half > 0u; half /= 2u) {
    if (part >= half && part < 2u * half) {
      parts[((part - half) * 8u + 0u) * 32u + lane] = c0;
      parts[((part - half) * 8u + 1u) * 32u + lane] = c1;
      parts[((part - half) * 8u + 2u) * 32u + lane] = c2;
      parts[((part - half) * 8u + 3u) * 32u + lane] = c3;
      parts[((part - half) * 8u + 4u) * 32u + lane] = c4;
      parts[((part - half) * 8u + 5u) * 32u + lane] = c5;
      parts[((part - half) * 8u + 6u) * 32u + lane] = c6;
      parts[((part - half) * 8u + 7u) * 32u + lane] = c7;
    }
    workgroupBarrier();
    if (part < half) {
      c0 += parts[(part * 8u + 0u) * 32u + lane];
      c1 += parts[(part * 8u + 1u) * 32u + lane];
      c2 += parts[(part * 8u + 2u) * 32u + lane];
      c3 += parts[(part * 8u + 3u) * 32u + lane];
      c4 += parts[(part * 8u + 4u) * 32u + lane];
      c5 += parts[(part * 8u + 5u) * 32u + lane];
      c6 += parts[(part * 8u + 6u) * 32u + lane];
      c7 += parts[(part * 8u + 7u) * 32u + lane];
    }
    workgroupBarrier();
  }
  if (part == 0u && column < sizes.n4) {
    if (0u < job.z) { finish(slot0, column, c0); }
    if (1u < job.z) { finish(slot1, column, c1); }
    if (2u < job.z) { finish(slot2, column, c2); }
    if (3u < job.z) { finish(slot3, column, c3); }
    if (4u < job.z) { finish(slot4, column, c4); }
    if (5u < job.z) { finish(slot5, column, c5); }
    if (6u < job.z) { finish(slot6, column, c6); }
    if (7u < job.z) { finish(slot7, column, c7); }
  }
}
