/** Which experts each pass uses, as a picture. */
import { byCentroid, shares } from "../analyze/statistics.ts";
import { heatMap } from "./heat-map.ts";
import { figure } from "./page.ts";

/** Experts that are used early stand above those that are used late. @param use counts, [pass][expert] */
export function loadMap(router: string, use: readonly (readonly number[])[]): string {
  const [loads, order] = [use.map(shares), byCentroid(use)];
  const most = loads.map((load, pass) => {
    const greatest = Math.max(...load);
    return `in pass ${pass + 1} expert ${load.indexOf(greatest)} (${(100 * greatest).toFixed(1)} %)`;
  });
  return figure(heatMap({
    description: `Heat map of expert by pass for ${router}. Chosen most often: ${most.join(", ")}.`,
    rowName: "expert", columnName: "pass", rows: order.map(String), columns: loads.map((_, pass) => `${pass + 1}`),
    values: order.map((expert) => loads.map((load) => load[expert]!)),
  }), "Share of each pass's choices that fell on each expert, those first that are chosen in early passes.");
}
