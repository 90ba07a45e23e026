// Matrix product c[m, n] = sum over k of a[m, k] b[n, k]; 1 fused pointwise value(s).
// One team of 32 lanes owns 8 rows by 128 columns of c.
struct Sizes { m: u32, n4: u32, k: u32, k4: u32, column_tiles: u32, row_tiles: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read>       a: array<vec4f>;  // [m, k]
@group(0) @binding(2) var<storage, read>       b: array<vec4f>;  // [n, k]
@group(0) @binding(3) var<storage, read_write> y0: array<vec4f>; // c [rows, columns]
@group(0) @binding(4) var<storage, read>       x0: array<vec4f>; // [rows, columns] or broadcast
@group(0) @binding(5) var<storage, read_write> y1: array<vec4f>; // [rows, columns] or broadcast
var<workgroup> shared_vec4f: array<array<vec4f, 32>, 8>;
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

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let number = group.x + group.y * groups.x;
  let tile = vec2u(number % sizes.column_tiles, number / sizes.column_tiles);
  if (tile.y >= sizes.row_tiles) { return; }
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
  for (var k = 0u; k < sizes.k4; k += 32u) {
    let k_in = min(k + lane, sizes.k4 - 1u);
    let filled = min(32u, sizes.k4 - k);
    let a0 = a[a_row0 + k_in];
    let a1 = a[a_row1 + k_in];
    let a2 = a[a_row2 + k_in];
    let a3 = a[a_row3 + k_in];
    let a4 = a[a_row4 + k_in];
    let a5 = a[a_row5 + k_in];
    let a6 = a[a_row6 + k_in];
    let a7 = a[a_row7 + k_in];
    shared_vec4f[0][lane] = a0;
    shared_vec4f[1][lane] = a1;
    shared_vec4f[2][lane] = a2;
    shared_vec4f[3][lane] = a3;
    shared_vec4f[4][lane] = a4;
    shared_vec4f[5][lane] = a5;
    shared_vec4f[6][lane] = a6;
    shared_vec4f[7][lane] = a7;
    workgroupBarrier();
    for (var q = 0u; q < filled; q++) {
      let b_at = 0u + column_in * 4u * sizes.k4 + k + q;
      let b0 = b[b_at]; let b1 = b[b_at + sizes.k4]; let b2 = b[b_at + 2u * sizes.k4]; let b3 = b[b_at + 3u * sizes.k4];
      { let x = shared_vec4f[0][q]; c0 += vec4f(dot(x, b0), dot(x, b1), dot(x, b2), dot(x, b3)); }
      { let x = shared_vec4f[1][q]; c1 += vec4f(dot(x, b0), dot(x, b1), dot(x, b2), dot(x, b3)); }
      { let x = shared_vec4f[2][q]; c2 += vec4f(dot(x, b0), dot(x, b1), dot(x, b2), dot(x, b3)); }
      { let x = shared_vec4f[3][q]; c3 += vec4f(dot(x, b0), dot(x, b1), dot(x, b2), dot(x, b3)); }
      { let x = shared_vec4f[4][q]; c4 += vec4f(dot(x, b0), dot(x, b1), dot(x, b2), dot(x, b3)); }
      { let x = shared_vec4f[5][q]; c5 += vec4f(dot(x, b0), dot(x, b1), dot(x, b2), dot(x, b3)); }
      { let x = shared_vec4f[6][q]; c6 += vec4f(dot(x, b0), dot(x, b1), dot(x, b2), dot(x, b3)); }
      { let x = shared_vec4f[7][q]; c7 += vec4f(dot(x, b0), dot(x, b1), dot(x, b2), dot(x, b3)); }
    }
    workgroupBarrier();
  }
  if (column < sizes.n4) {
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
