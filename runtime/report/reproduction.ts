/** What it takes to make the same numbers again. */
import type { CompareResults } from "../compare/results.ts";
import { grouped } from "../units.ts";
import { escape, htmlTable } from "./page.ts";
import { batchText, stepsText } from "./words.ts";

export function reproduction({ environment, versions, adapter, data, budget, seeds, variants }: CompareResults): readonly string[] {
  const { command, system, processors } = environment;
  const rows = [
    ["moeut", versions.moeut], ["Node", versions.node], ["adapter", adapter.name], ["system", system], ["processors", processors],
    ["data", `${data.source.join(" ")}: ${grouped(data.tokens)} tokens, id ${data.id}`], ["tokenizer", data.tokenizer],
    ["held out", data.held_out], ["batches", `${batchText(budget.batch, budget.seq_len, data)}, ${stepsText(variants)}`],
    ["seeds", seeds.join(", ")],
  ];
  return [
    `<pre>${escape(command)}</pre>`,
    "<p>With the specs above and the same data, version and adapter it gives the same losses, to the bit. Repeated in its folder it keeps "
      + "what is finished; the folder of each run has its spec, tokenizer and log.</p>",
    htmlTable([["environment", ""], ...rows.map((row) => row.map(escape))], "facts"),
  ];
}
