// Matrix product c[m, n] = sum over k of a[m, k] b[n, k]; 1 fused pointwise value(s).
// A workgroup of 8 teams of 32 lanes owns 8 rows by 128 columns of c.
enable subgroups;
diagnostic(off, subgroup_uniformity);
struct Sizes { m: u32, n4: u32, k: u32, k4: u32, column_tiles: u32, row_tiles: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read>       a: array<vec4f>;  // [m, k]
@group(0) @binding(2) var<storage, read>       b: array<vec4f>;  // [n, k]
@group(0) @binding(3) var<storage, read_write> y0: array<vec4f>; // c [rows, columns]
@group(0) @binding(4) var<storage, read>       x0: array<vec4f>; // [rows, columns] or broadcast
@group(0) @binding(5) var<storage, read_write> y1: array<vec4f>; // [rows, columns] or broadcast
fn team_sum(x: f32, lane: u32) -> f32 { return subgroupAdd(x); }
fn team_max(x: f32, lane: u32) -> f32 { return subgroupMax(x); }
var<workgroup> parts: array<vec4f, 1024>;
fn erf_vec4f(x: vec4f) -> vec4f {
  let t = vec4f(1.0) / (vec4f(1.0) + 0.3275911 * abs(x));
  let tail = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return sign(x) * (vec4f(1.0) - tail * exp(-x * x));
}
fn finish(row: u32, column: u32, value: vec4f) {
  let at = row * sizes.n4 + column;
  y0[at] = value;
  let v0 = x0[column];
  let v1 = ((vec4f(0.5) * (value + v0)) * (vec4f(1.0) + erf_vec4f(((value + v0) * vec4f(0.70710677)))));
  y1[at] = v1;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) invocation: u32) {
  let number = group.x + group.y * groups.x;
  let tile = vec2u(number % sizes.column_tiles, number / sizes.column_tiles);
  if (tile.y >= sizes.row_tiles) { return; }
  let part = invocation / 32u;
  let lane = invocation % 32u;
  let row0 = tile.y * 8u;
  let column = tile.x * 32u + lane;
  let column_in = min(column, sizes.n4 - 1u);
  var c0 = vec4f();
  var c1 = vec4f();
  var c2 = vec4f();
  var c3 = vec4f();
  var c4 = vec4f();
  var c5 = vec4f();
  var c6 = vec4f();
  var c7 = vec4f();
  let a_row0 = min(row0 + 0u, sizes.m - 1u) * sizes.k4;
  let a_row1 = min(row0 + 1u, sizes.m - 1u) * sizes.k4;
  let a_row2 = min(row0 + 2u, sizes.m - 1u) * sizes.k4;
  let a_row3 = min(row0 + 3u, sizes.m - 1u) * sizes.k4;
  let a_row4 = min(row0 + 4u, sizes.m - 1u) * sizes.k4;
  let a_row5 = min(row0 + 5u, sizes.m - 1u) * sizes.k4;
  let a_row6 = min(row0 + 6u, sizes.m - 1u) * sizes.k4;
  let a_row7 = min(row0 + 7u, sizes.m - 1u) * sizes.k4;
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
      let b_at = 0u + column_in * 4u * sizes.k4 + k + q;
      let b0 = b[b_at]; let b1 = b[b_at + sizes.k4]; let b2 = b[b_at + 2u * sizes.k4]; let b3 = b[b_at + 3u * sizes.k4];
      { let x = subgroupShuffle(a0, q); c0 += vec4f(dot(x, b0), dot(x, b1), dot(x, b2), dot(x, b3)); }
      { let x = subgroupShuffle(a1, q); c1 += vec4f(dot(x, b0), dot(x, b1), dot(x, b2), dot(x, b3)); }
      { let x = subgroupShuffle(a2, q); c2 += vec4f(dot(x, b0), dot(x, b1), dot(x, b2), dot(x, b3)); }
      { let x = subgroupShuffle(a3, q); c3 += vec4f(dot(x, b0), dot(x, b1), dot(x, b2), dot(x, b3)); }
      { let x = subgroupShuffle(a4, q); c4 += vec4f(dot(x, b0), dot(x, b1), dot(x, b2), dot(x, b3)); }
      { let x = subgroupShuffle(a5, q); c5 += vec4f(dot(x, b0), dot(x, b1), dot(x, b2), dot(x, b3)); }
      { let x = subgroupShuffle(a6, q); c6 += vec4f(dot(x, b0), dot(x, b1), dot(x, b2), dot(x, b3)); }
      { let x = subgroupShuffle(a7, q); c7 += vec4f(dot(x, b0), dot(x, b1), dot(x, b2), dot(x, b3)); }
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
    if (row0 + 0u < sizes.m) { finish(row0 + 0u, column, c0); }
    if (row0 + 1u < sizes.m) { finish(row0 + 1u, column, c1); }
    if (row0 + 2u < sizes.m) { finish(row0 + 2u, column, c2); }
    if (row0 + 3u < sizes.m) { finish(row0 + 3u, column, c3); }
    if (row0 + 4u < sizes.m) { finish(row0 + 4u, column, c4); }
    if (row0 + 5u < sizes.m) { finish(row0 + 5u, column, c5); }
    if (row0 + 6u < sizes.m) { finish(row0 + 6u, column, c6); }
    if (row0 + 7u < sizes.m) { finish(row0 + 7u, column, c7); }
  }
}
