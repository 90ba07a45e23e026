/** The whole of `modeling_NAME.py`. The rules of its forward pass are those of 3-graph/trunk.ts. */
import type { ModelSpec } from "../ir/model-spec.ts";
import { injectsByMaps } from "../parameters/parameters.ts";
import { passSites } from "../stack/passes.ts";
import { configClass } from "./config.ts";
import { contextLines, isCausal } from "./context.ts";
import { entered, entersByCore, noiseMethod, startOf } from "./core.ts";
import { helpersFor } from "./helpers.ts";
import { layerCall } from "./layer.ts";
import { normCall } from "./norm.ts";
import { formatted, lines, list, number, pascal, python, tuple, uses } from "./python.ts";
import { isSkipping } from "./block.ts";
import { leavesLoads, loadsType } from "./router.ts";
import { configName } from "./writer.ts";
import type { Writer } from "./writer.ts";

/** "Moeut44mForCausalLM" */
export const className = ({ name }: ModelSpec): string => `${pascal(name)}ForCausalLM`;

export function modelingFile(model: ModelSpec, fields: Writer["fields"], about: string): string {
  const w: Writer = { model, fields, classes: new Map() };
  const makes = model.layers.map((_, index) => layerCall(w, index));
  const classes = [...w.classes.values(), modelClass(model, makes, [...w.classes.keys()])];
  const order = uses(classes.join("\n"), "ORDER") ? [`ORDER = ${orderText(model)}  # the layer of each application`] : [];
  const helpers = helpersFor(model, classes.join("\n"));
  const body = [...order, configClass(w), ...helpers, ...classes];
  const head = `"""${about}"""\n\n${imports(body.join("\n"))}`;
  return formatted(`${head}${order.length === 0 ? "\n\n\n" : "\n\n"}${body.join("\n\n\n")}\n`);
}

/** (from, names): those that the text uses are imported. */
const IMPORTS: readonly (readonly [string, readonly string[]])[] = [
  ["collections.abc", ["Iterable", "Sequence"]],
  ["typing", ["NamedTuple"]],
];
const THIRD: readonly (readonly [string, readonly string[]])[] = [
  ["torch", ["Tensor", "distributed", "nn"]], ["torch.distributed.nn.functional", ["all_reduce"]], ["torch.nn", ["functional as F"]],
  ["transformers", ["Cache", "DynamicCache", "GenerationMixin", "PreTrainedConfig", "PreTrainedModel"]],
  ["transformers.modeling_layers", ["GradientCheckpointingLayer"]],
  ["transformers.modeling_outputs", ["CausalLMOutputWithPast", "MoeCausalLMOutputWithPast"]],
];

function imports(text: string): string {
  const from = (all: typeof IMPORTS): readonly string[] => all.flatMap(([module, names]) => {
    const used = names.filter((name) => uses(text, name.replace(/^.* as /, "")));
    return used.length === 0 ? [] : [`from ${module} import ${used.join(", ")}`];
  });
  return [from(IMPORTS).join("\n"), ["import torch", ...from(THIRD)].join("\n")].filter((block) => block !== "").join("\n\n");
}

const orderText = ({ schedule }: ModelSpec): string => tuple(schedule.map(({ layer }) => `${layer}`));

function modelClass(model: ModelSpec, makes: readonly string[], classes: readonly string[]): string {
  const { embedding, head } = model;
  const bases = list("PreTrainedModel", isCausal(model) ? "GenerationMixin" : "");
  const output = leavesLoads(model) || model.halting !== null ? "MoeCausalLMOutputWithPast" : "CausalLMOutputWithPast";
  const results = [
    "loss", ...(output.startsWith("Moe") ? ["aux_loss"] : []), "logits", ...(isCausal(model) ? ["past_key_values"] : []),
  ];
  const layers = classes.filter((name) => name.startsWith("Layer")).map((name) => `"${name}"`);
  return python`
    class ${className(model)}(${bases}):
        config_class = ${configName(model)}
        supports_gradient_checkpointing = True
        accepts_loss_kwargs = False
        _input_embed_layer = "embedding"
        _no_split_modules = [${layers.join(", ")}]

        def __init__(self, config: ${configName(model)}) -> None:
            super().__init__(config)
            self.embedding = nn.Embedding(config.vocab_size, config.d_model)
            ${embedding.learnedPositions ? "self.positions = nn.Embedding(config.seq_len, config.d_model)" : ""}
            ${embedding.norm === null ? "" : `self.embedding_norm = ${normCall(embedding.norm, "config.d_model")}`}
            ${entersByCore(model) ? `self.core = Core(${coreNeedsConfig(model) ? "config" : ""})` : ""}
            self.layers = ${layerList(model, makes)}
            ${head.norm === null ? "" : `self.head_norm = ${normCall(head.norm, "config.d_model")}`}
            ${head.tied ? "" : `self.head = nn.Linear(config.d_model, config.vocab_size${head.bias ? "" : ", bias=False"})`}
            ${head.tied && head.bias ? "self.head_bias = nn.Parameter(torch.zeros(config.vocab_size))" : ""}
            self.post_init()

        def forward(
            self,
            input_ids: Tensor,
            attention_mask: Tensor | None = None,
            ${isCausal(model) ? "past_key_values: Cache | None = None," : ""}
            labels: Tensor | None = None,
            shift_labels: Tensor | None = None,
            ${isCausal(model) ? "use_cache: bool | None = None," : ""}
            logits_to_keep: int = 0,
            **_: object,
        ) -> ${output}:
            """labels are the tokens themselves, [B, T]; shift_labels the tokens behind them."""
            ${isCausal(model) ? NEW_CACHE : ""}
            ${contextLines(model)}
            x = ${embedded(model)}
            ${leavesLoads(model) ? `loads: list[list[${loadsType(model)}]] = [[] for _ in self.layers]` : ""}
            ${trunk(model)}
            logits = ${logitsOf(model)}
            ${losses(model)}
            return ${output}(${results.map((name) => `${name}=${name}`).join(", ")})
        ${leavesLoads(model) ? `\n${balance(model)}` : ""}
        ${model.core?.state.kind === "normal" ? `\n${noiseMethod}` : ""}
  `;
}

/** Of the last positions of the final residual stream. */
function logitsOf({ head: { norm, tied, bias } }: ModelSpec): string {
  const read = norm === null ? "x[:, -logits_to_keep:]" : "self.head_norm(x[:, -logits_to_keep:])";
  return tied ? `F.linear(${read}, self.embedding.weight${bias ? ", self.head_bias" : ""})` : `self.head(${read})`;
}

const NEW_CACHE = `if past_key_values is None and (not self.training if use_cache is None else use_cache):
    past_key_values = DynamicCache()`;

const coreNeedsConfig = ({ core }: ModelSpec): boolean => core !== null && (injectsByMaps(core) || core.passEmbedding?.kind === "learned");

/** One comprehension where all layers are of a class. */
function layerList({ layers }: ModelSpec, makes: readonly string[]): string {
  const names = layers.length <= 8 && layers.length > 1 ? `  # ${layers.map(({ name }) => name).join(", ")}` : "";
  if (layers.length === 1) return `nn.ModuleList([${makes[0]}])`;
  return makes.every((make) => make === makes[0]) && layers.length > 2
    ? `nn.ModuleList(${makes[0]} for _ in range(${layers.length}))${names}`
    : `nn.ModuleList([${makes.join(", ")}])${names}`;
}

function embedded({ embedding: { scale, learnedPositions, norm } }: ModelSpec): string {
  const places = learnedPositions ? " + self.positions(places)" : "";
  const rows = `${scale === 1 ? "" : `${number(scale)} * `}self.embedding(input_ids)${places}`;
  return norm === null ? rows : `self.embedding_norm(${rows})`;
}

/** From the embedded tokens to the final residual stream, both `x`. */
function trunk(model: ModelSpec): string {
  if (model.core === null && model.halting === null) return inTurn(model);
  const sites = passSites(model);
  const [first, end, { length }] = [sites[0]![0]!, sites.at(-1)!.at(-1)! + 1, sites[0]!];
  const at = `${first === 0 ? "" : `${first} + `}${length === 1 ? "index" : `${length} * index`}`;
  const to = length === 1 ? `${first + 1} + index` : `${first + length} + ${length} * index`;
  const range = (index: string): string => (index === "0" ? `range(${first}, ${first + length})` : `range(${at}, ${to})`);
  const pass: Pass = { count: sites.length, range, first: at };
  const skipped = isSkipping(model) ? ", x, ones" : "";
  return lines(
    applyFunction(model), isSkipping(model) ? "ones = torch.ones_like(x[..., :1])" : "",
    first === 0 ? "" : `x = apply(range(${first}), x${skipped})`, readsEntered(model) ? "entered = x" : "", passes(model, pass),
    end === model.schedule.length ? "" : `x = apply(range(${end}, ${model.schedule.length}), x${skipped})`,
  );
}

/** Whether what enters the core is needed later. */
const readsEntered = (model: ModelSpec): boolean => uses(`${entered(model, "x")} ${startOf(model.core)}`, "entered");

const CYCLIC = "for application in range(self.config.num_hidden_layers):\n    index = application % len(self.layers)";

/** Every application once, in order. */
function inTurn(model: ModelSpec): string {
  const { layers, schedule } = model;
  const call = `(${list("x", isCausal(model) ? "application" : "", "context")})`;
  const isCyclic = schedule.every(({ layer }, i) => layer === i % layers.length);
  const [loop, layer, index] = layers.length === schedule.length && isCyclic
    ? ["for application, layer in enumerate(self.layers):", "layer", "application"]
    : layers.length === 1 ? ["for application in range(self.config.num_hidden_layers):", "self.layers[0]", "0"]
      : isCyclic ? [CYCLIC, "self.layers[index]", "index"]
        : ["for application, index in enumerate(ORDER):", "self.layers[index]", "index"];
  const isCounted = isCausal(model) || index === "application" && leavesLoads(model) || isCyclic && index === "index";
  const head = isCounted ? loop! : loop!.replace("for application, layer in enumerate(self.layers)", "for layer in self.layers")
    .replace("for application, index in enumerate(ORDER)", "for index in ORDER").replace("for application in", "for _ in");
  return `${head}\n    ${leavesLoads(model) ? `x, load = ${layer}${call}\n    loads[${index}].append(load)` : `x = ${layer}${call}`}`;
}

/** A function that applies layers one after the other. */
function applyFunction(model: ModelSpec): string {
  const isSkipped = isSkipping(model);
  const layer = model.layers.length === 1 ? "0" : "ORDER[application]";
  const call = `self.layers[${layer}](${list("x", isSkipped ? "source, weight" : "", isCausal(model) ? "application" : "", "context")})`;
  return `\n${python`
    def apply(applications: Iterable[int], x: Tensor${isSkipped ? ", source: Tensor, weight: Tensor" : ""}) -> Tensor:
        for application in applications:
            ${leavesLoads(model) ? `x, load = ${call}\nloads[${layer}].append(load)` : `x = ${call}`}
            ${isSkipped ? "source = x" : ""}
        return x

  `}\n`;
}

interface Pass {
  readonly count: number;
  /** Applications of the pass of an index. */
  readonly range: (index: string) => string;
  /** The first of them. */
  readonly first: string;
}

/** From `entered` to `x`. */
function passes(model: ModelSpec, pass: Pass): string {
  switch (model.halting?.kind) {
    case undefined: return everyPass(model, pass);
    case "graves": return gravesPasses(model, pass);
    case "act": return actPasses(model, pass);
  }
}

const everyPass = (model: ModelSpec, { count, range }: Pass): string => python`
  ${startOf(model.core) === "x" ? "" : `x = ${startOf(model.core)}`}
  for index in range(${count}):
      x = apply(${range("index")}, ${entered(model, "x")})
`;

/** The layer whose network decides about a pass. */
function decider(model: ModelSpec, { first }: Pass): string {
  const all = passSites(model).map((pass) => model.schedule[pass[0]!]!.layer);
  return new Set(all).size === 1 ? `self.layers[${all[0]}]` : `self.layers[ORDER[${first}]]`;
}

const gravesPasses = (model: ModelSpec, pass: Pass): string => python`
  ${startOf(model.core) === "x" ? "" : `x = ${startOf(model.core)}`}
  running = torch.ones_like(x[..., :1])  # 1 until a token has halted, [B, T, 1]
  total, spent, out = torch.zeros_like(running), torch.zeros_like(running), torch.zeros_like(x)
  for index in range(${pass.count}):
      x = ${entered(model, "x")}
      p = ${decider(model, pass)}.halting(x)
      goes_on = running * (total + p <= ${number(model.halting!.threshold)})
      left = 1 - total
      weight = running * torch.where(goes_on == 0, left, p)
      spent = spent + running + (running - goes_on) * left  # passes, and what of 1 the last got
      total = total + goes_on * p
      running = goes_on
      x = apply(${pass.range("index")}, x)
      out = weight * x + (1 - weight) * out
  x = out
`;

const actPasses = (model: ModelSpec, pass: Pass): string => python`
  ${startOf(model.core) === "x" ? "" : `x = ${startOf(model.core)}`}
  ${entered(model, "x") === "x" ? "" : `index = 0\nx = ${entered(model, "x")}`}
  x = apply(${pass.range("0")}, x, x, ones)
  out = x
  never, depth, mixed, spent = ones, torch.zeros_like(ones), torch.zeros_like(x), torch.zeros_like(ones)
  for index in range(1, ${pass.count}):
      stop = ${decider(model, pass)}.halting(x)
      halted = never * stop.sigmoid()  # the probability that it halts here, [B, T, 1]
      never = never * (-stop).sigmoid()
      mixed = mixed + halted * x
      depth = depth + (index - 1) * halted
      weight = torch.where(never < ${number(1 - model.halting!.threshold)}, 0.0, never)  # 0: the token is skipped
      x = apply(${pass.range("index")}, ${entered(model, "x")}, ${entered(model, "out")}, weight)
      out = torch.where(weight == 0, out, mixed + weight * x)
      spent = spent + depth + index * weight
  x = out
`;

function losses(model: ModelSpec): string {
  const { halting } = model;
  const terms = [
    ...(leavesLoads(model) ? ["self.balance(loads)"] : []), ...(halting === null ? [] : [`${number(halting.weight)} * spent.mean()`]),
  ];
  return lines(
    terms.length === 0 ? "" : `aux_loss = ${terms.join(" + ")} if self.training else None`,
    "if labels is not None:\n    shift_labels = F.pad(labels[:, 1:], (0, 1), value=-100)",
    "loss = None if shift_labels is None else F.cross_entropy(logits.flatten(0, 1), shift_labels.flatten())",
    terms.length === 0 ? "" : "if loss is not None and aux_loss is not None:\n    loss = loss + aux_loss",
  );
}

const balance = (model: ModelSpec): string => python`
  def balance(self, loads: Sequence[Sequence[${loadsType(model)}]]) -> Tensor:
      """The terms of all routers, from what they left at each application of their layer."""
      terms = []
      for layer, of_layer in zip(self.layers, loads):
          routers = [module for module in layer.modules() if hasattr(module, "balance")]
          terms += [router.balance(records) for router, records in zip(routers, zip(*of_layer))]
      return torch.stack(terms).sum()
`;
