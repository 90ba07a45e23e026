// Row reductions and the pointwise values around them, one row per team.
struct Sizes { rows: u32, cols: u32, columns: u32, n_tiles: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read>       x0: array<vec4f>; // […, columns]
@group(0) @binding(2) var<storage, read>       x1: array<vec4f>; // [columns]
@group(0) @binding(3) var<storage, read>       x2: array<vec4f>; // [columns]
@group(0) @binding(4) var<storage, read_write> y0: array<vec4f>; // […, columns]
@group(0) @binding(5) var<storage, read_write> y1: array<f32>;   // […, 1]
@group(0) @binding(6) var<storage, read_write> y2: array<f32>;   // […, 1]
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

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = group.x + group.y * groups.x;
  if (tile >= sizes.n_tiles) { return; }
  let row = tile;
  if (row >= sizes.rows) { return; }
  var sum0 = vec4f(0.0);
  for (var column = lane; column < sizes.cols; column += 32u) {
    let v1 = x0[row * sizes.cols + column];
    sum0 += v1;
  }
  let row_2 = team_sum(((sum0.x + sum0.y) + (sum0.z + sum0.w)), lane);
  var sum3 = vec4f(0.0);
  for (var column = lane; column < sizes.cols; column += 32u) {
    let v4 = x0[row * sizes.cols + column];
    let v5 = (v4 - (vec4f(row_2) * vec4f(0.027027028)));
    let v6 = (v5 * v5);
    sum3 += select(vec4f(0.0), v6, (vec4u(4u * column) + vec4u(0u, 1u, 2u, 3u)) < vec4u(sizes.columns));
  }
  let row_7 = team_sum(((sum3.x + sum3.y) + (sum3.z + sum3.w)), lane);
  let s10 = inverseSqrt(((row_7 * f32(0.027027028)) + f32(0.00001)));
  for (var column = lane; column < sizes.cols; column += 32u) {
    let v8 = x0[row * sizes.cols + column];
    let v9 = (v8 - (vec4f(row_2) * vec4f(0.027027028)));
    let v11 = x1[column];
    let v12 = x2[column];
    let v13 = (((v9 * vec4f(s10)) * v11) + v12);
    y0[row * sizes.cols + column] = v13;
  }
  if (lane == 0u) {
    y1[row] = row_2;
    y2[row] = row_7;
  }
}
