/** The kernel of every kind of work. */
import type { Work } from "../ir/launch.ts";
import type { Profile } from "../ir/plan.ts";
import { unreachable } from "../ir/tensor-type.ts";
import { attentionKernel } from "../kernels/attention.ts";
import * as attentionGrad from "../kernels/attention-grad.ts";
import { expertMatmulKernel, expertOuterKernel } from "../kernels/expert.ts";
import * as gather from "../kernels/gather.ts";
import { matmulKernel } from "../kernels/matmul.ts";
import * as optimizer from "../kernels/optimizer.ts";
import { randomKernel } from "../kernels/random.ts";
import * as routing from "../kernels/routing.ts";
import type { KernelParts } from "../kernels/text.ts";
import * as fused from "./fused.ts";

export function kernelOf(work: Work, profile: Profile): KernelParts {
  switch (work.kind) {
    case "matmul": return matmulKernel(work.layout, profile, work.teams, fused.epilogueWgsl(work.epilogue));
    case "expertMatmul": return expertMatmulKernel(work.layout, profile, work.teams, fused.epilogueWgsl(work.epilogue));
    case "expertOuter": return expertOuterKernel(profile, work.teams);
    case "gatherRows": return gather.gatherRowsKernel(fused.epilogueWgsl(work.epilogue));
    case "rows": return fused.rowsKernel(work.program, profile);
    case "pointwise": return fused.pointwiseKernel(work.program);
    case "columnSums": return fused.columnSumsKernel(work.program);
    case "columnTotals": return fused.columnTotalsKernel(work.lanes, work.add);
    case "attention": return attentionKernel(profile, work.perLane, work.relative);
    case "attentionGradQueries": return attentionGrad.attentionGradQueriesKernel(profile, work.perLane, work.relative);
    case "attentionGradKeys": return attentionGrad.attentionGradKeysKernel(profile, work.perLane, work.relative, work.outputs);
    case "attentionGradBias": return attentionGrad.attentionGradBiasKernel(profile);
    case "random": return randomKernel(work.distribution);
    case "rope": return gather.ropeKernel(work.lanes);
    case "cache": return gather.cacheKernel();
    case "topK": return routing.topKKernel();
    case "gatherLast": return gather.gatherLastKernel();
    case "scatterLast": return gather.scatterLastKernel();
    case "scatterRows": return gather.scatterRowsKernel();
    case "addTo": return gather.addToKernel();
    case "routeCount": return routing.countKernel();
    case "routePrefix": return routing.prefixKernel(work.counted);
    case "routeOffsets": return routing.offsetsKernel(profile);
    case "routePlace": return routing.placeKernel();
    case "gradPartials": return optimizer.gradPartialsKernel();
    case "gradTotals": return optimizer.gradTotalsKernel();
    case "gradNorm": return optimizer.gradNormKernel();
    case "adamw": return optimizer.adamwKernel();
    case "signStep": return optimizer.signStepKernel(work.rate);
    case "addLosses": return optimizer.addLossesKernel();
    default: return unreachable(work);
  }
}
