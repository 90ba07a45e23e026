// The k greatest scores of each row, best first; equal scores in order of index. Also numbers the chosen experts over all heads.
// k passes over the row: each finds the best entry that comes after the previous one in (score, index) order.
struct Sizes { rows: u32, columns: u32, stride: u32, k: u32, heads: u32, n_tiles: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read>       scores: array<f32>;    // [rows, stride]
@group(0) @binding(2) var<storage, read_write> selection: array<u32>; // [rows, k]
@group(0) @binding(3) var<storage, read_write> expert: array<u32>;    // [rows, k]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = group.x + group.y * groups.x;
  if (tile >= sizes.n_tiles) { return; }
  let row = tile * 64u + lane;
  if (row >= sizes.rows) { return; }
  let base = row * sizes.stride;
  let first_expert = (row % sizes.heads) * sizes.columns;
  var last_score = 0.0;
  var last_index = 0u;
  for (var j = 0u; j < sizes.k; j++) {
    var best_score = 0.0;
    var best_index = 0xffffffffu;
    for (var i = 0u; i < sizes.columns; i++) {
      let score = scores[base + i];
      let after = j == 0u || score < last_score || (score == last_score && i > last_index);
      if (after && (best_index == 0xffffffffu || score > best_score)) { best_score = score; best_index = i; }
    }
    // Only NaN scores leave no entry; any index in range will do, the step is rejected later.
    best_index = select(best_index, j, best_index == 0xffffffffu);
    selection[row * sizes.k + j] = best_index;
    expert[row * sizes.k + j] = first_expert + best_index;
    last_score = best_score;
    last_index = best_index;
  }
}
