/** Names that mean nothing where they stand, and statements in the wrong place. */
import { error, oneOf, suggest } from "../entry.ts";
import { elsewhere } from "../elsewhere.ts";

export const NAME_MESSAGES = {
  "unknown-field": error<{ name: string; where: string; nearest: string | null; meant: string; homes: readonly string[]; choices: readonly string[]; bare: boolean }>({
    message: (p) => `${p.where} has no field \`${p.name}\``,
    hint: (p) => {
      const absent = p.homes.length > 0 ? null : elsewhere(p.name);
      if (absent !== null) return absent;
      if (p.nearest !== null) return `did you mean \`${p.nearest}\`?`;
      if (p.homes.length > 0) return `${p.meant === p.name ? `\`${p.name}\`` : `\`${p.name}\` is called \`${p.meant}\` here and`} belongs to ${oneOf(p.homes)}`;
      if (p.bare) return `if \`${p.name}\` is another value of the field before it, put a comma between them`;
      return p.choices.length === 0 ? "nothing can be set here" : `it has ${oneOf(p.choices, "and")}`;
    },
  }),
  "unknown-item": error<{ name: string; nearest: string | null }>({
    message: (p) => `\`${p.name}\` is nothing that a file can contain`,
    hint: (p) => {
      if (p.nearest === "fn") return "a function is written `fn f(x) = max(x, 0)`";
      const near = p.nearest === null ? "at the top of a file stand `import`, `fn`, `model`, `compare` and `train`" : `did you mean \`${p.nearest}\`?`;
      return elsewhere(p.name) ?? near;
    },
  }),
  "misplaced-statement": error<{ statement: string; where: string; home: string }>({
    message: (p) => `\`${p.statement}\` cannot stand in ${p.where}`,
    hint: (p) => (p.home === "file" ? "it stands at the top of a file, outside all braces" : `it belongs directly in the braces of a ${p.home}`),
  }),
  "unknown-kind": error<{ block: string; name: string; nearest: string | null; choices: readonly string[] }>({
    message: (p) => `there is no ${p.block} \`${p.name}\``,
    hint: (p) => elsewhere(p.name) ?? suggest(p.nearest, p.choices),
  }),
  "unknown-model": error<{ name: string; nearest: string | null; choices: readonly string[] }>({
    message: (p) => `there is no model \`${p.name}\` in this file or its imports`,
    hint: (p) => suggest(p.nearest, p.choices),
  }),
  "unknown-layer": error<{ name: string; nearest: string | null; choices: readonly string[] }>({
    message: (p) => `this model has no layer \`${p.name}\``,
    hint: (p) => (p.nearest !== null ? suggest(p.nearest, []) : `${p.choices.length === 0 ? "" : `it has ${oneOf(p.choices, "and")}; `}declare it with \`layer ${p.name} { … }\``),
  }),
  "unknown-stack-function": error<{ name: string }>({
    message: (p) => `\`${p.name}(…)\` means nothing in a stack`,
    hint: (p) => elsewhere(p.name) ?? "`own(…)` gives every application inside its own weights, `core(…)` marks the recurrent core; plain parentheses only group",
  }),
  "misplaced-core": error<{ nested: boolean }>({
    message: (p) => (p.nested ? "`core(…)` stands inside another group" : "this is the second `core(…)` of the stack"),
    hint: (p) => (p.nested ? "a core is a part of the stack by itself: `stack p, core(a, b) * 8, c`" : "a stack has one core; parts without one repeat with plain parentheses"),
  }),
  "duplicate-field": error<{ name: string }>({
    message: (p) => `\`${p.name}\` is set twice`,
    hint: () => "keep one of them: only what `from` inherits can be set again",
  }),
  "duplicate-model": error<{ name: string }>({
    message: (p) => `there are two models named \`${p.name}\``,
    hint: () => "rename one of them",
  }),
  "inheritance-cycle": error<{ names: readonly string[] }>({
    message: (p) => `model \`${p.names[0]}\` inherits from itself${p.names.length > 1 ? `: ${[...p.names, p.names[0]!].join(" from ")}` : ""}`,
    hint: () => "remove one `from`",
  }),
  "import-not-found": error<{ path: string; reason: string }>({
    message: (p) => `cannot read \`${p.path}\`${p.reason === "" ? "" : `: ${p.reason}`}`,
    hint: () => "imported paths are relative to the file that imports",
  }),
  "import-not-spec": error<{ path: string }>({
    message: (p) => `\`${p.path}\` is not a spec`,
    hint: () => "if it is meant as one, make `moeut 1` its first line",
  }),
  "import-cycle": error<{ path: string }>({
    message: (p) => `\`${p.path}\` is already being read: the files import each other`,
    hint: () => "move what both need to a third file",
  }),
  "bad-override": error<{ text: string }>({
    message: (p) => `\`--set ${p.text}\` is not of the form path=value`,
    hint: () => "for instance `--set d_model=64` or `--set layer.a.feed_forward.n_experts=8`",
  }),
  "unknown-path": error<{ path: string; part: string; where: string; nearest: string | null; choices: readonly string[] }>({
    message: (p) => `\`${p.path}\` leads nowhere: ${p.where} has no \`${p.part}\``,
    hint: (p) => elsewhere(p.part) ?? suggest(p.nearest, p.choices),
  }),
  "no-layers": error<{ name: string }>({
    message: (p) => `model \`${p.name}\` has no layers`,
    hint: () => "declare at least one: `layer a { attention mha { n_heads 4 } feed_forward dense { d_ff 512 } }`",
  }),
};
