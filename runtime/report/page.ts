/** The frame of a report: one HTML file that needs nothing else. */

/** Text as it may stand between tags and in attributes. */
export const escape = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

/** Colours after Okabe and Ito (2008), which people with colour-blindness can tell apart; darker on white, lighter on black. */
const STYLE = `
:root {
  color-scheme: light dark; --paper: #fff; --ink: #1c1e21; --muted: #62676e; --rule: #c6cad0; --grid: #eceef1; --soft: #f6f7f9;
  --good: #0b7a4b; --bad: #b3401f; --add: #e3f4ea; --remove: #fbe9e4;
  --series-0: #0072b2; --series-1: #d55e00; --series-2: #009e73; --series-3: #a8518a;
  --series-4: #b98700; --series-5: #3793c9; --series-6: #6b6b6b; --series-7: #7a4d1f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15171a; --ink: #e6e8eb; --muted: #9aa1a9; --rule: #454b52; --grid: #272b30; --soft: #1d2024;
    --good: #5fcf9a; --bad: #f08d6c; --add: #17331f; --remove: #3b1f18;
    --series-0: #56b4e9; --series-1: #f28e3c; --series-2: #2fc79a; --series-3: #d98cc0;
    --series-4: #f0c648; --series-5: #8fc7ff; --series-6: #a8a8a8; --series-7: #c79a6b;
  }
}
@media print {
  :root { color-scheme: light; } body { max-width: none; font-size: 10pt; }
  figure, table, .sample { break-inside: avoid; } details > summary { list-style: none; }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 60rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif;
}
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .4rem; letter-spacing: -.01em; }
h2 { font-size: 1.15rem; margin: 2.6rem 0 .6rem; padding-top: 1rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; } h3 small { margin-left: .6em; color: var(--muted); font-weight: 400; }
p { margin: .5rem 0; max-width: 46rem; }
.about { color: var(--muted); margin: 0 0 1.4rem; }
.verdicts {
  margin: 1rem 0 1.4rem; padding: .9rem 1.1rem; background: var(--soft);
  border-left: 4px solid var(--series-0); border-radius: 0 6px 6px 0;
}
.verdicts p { margin: .2rem 0; max-width: none; }
.caveats { margin-top: .7rem; color: var(--muted); font-size: .92rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { padding: .42rem .7rem; text-align: right; border-bottom: 1px solid var(--grid); white-space: nowrap; }
th { font-weight: 600; color: var(--muted); border-bottom-color: var(--rule); vertical-align: bottom; white-space: normal; }
th:first-child, td:first-child { text-align: left; padding-left: 0; font-weight: 600; }
td small, th small { display: block; color: var(--muted); font-weight: 400; font-size: .82em; }
.facts td { text-align: left; white-space: normal; overflow-wrap: anywhere; } .facts td:first-child { white-space: nowrap; }
.dot { display: inline-block; width: .65em; height: .65em; border-radius: 50%; margin-right: .5em; }
.good { color: var(--good); } .bad { color: var(--bad); }
figure { margin: 1rem 0 1.4rem; overflow-x: auto; } figure svg { display: block; height: auto; max-width: 48rem; }
figure svg[width="100%"] { min-width: 34rem; }
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(17rem, 100%), 1fr)); gap: .5rem 1.5rem; }
.panels figure { margin: 0; } .panels figure svg[width="100%"] { min-width: 0; max-width: 24rem; }
.keys { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; } .note { color: var(--muted); font-size: .88rem; }
figcaption { color: var(--muted); font-size: .88rem; max-width: 46rem; }
pre {
  margin: .4rem 0; padding: .8rem 1rem; background: var(--soft); border-radius: 6px; overflow-x: auto;
  font: .82rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; white-space: pre-wrap; overflow-wrap: anywhere;
}
pre.spec { white-space: pre; overflow-wrap: normal; }
.prompt { color: var(--muted); }
.line { display: block; min-height: 1.5em; margin: 0 -1rem; padding: 0 1rem; }
.added { background: var(--add); } .removed { background: var(--remove); }
summary { cursor: pointer; font-weight: 600; margin: .5rem 0; }
ul.method { padding-left: 1.1rem; color: var(--muted); font-size: .9rem; max-width: 46rem; } ul.method li { margin: .3rem 0; }
footer { margin-top: 3rem; color: var(--muted); font-size: .85rem; }
`;

export function page(title: string, body: readonly string[]): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<style>${STYLE}</style>
</head>
<body>
${body.join("\n")}
</body>
</html>
`;
}

/** First row is the head. Cells are HTML. @param kind a class; "facts" are names with sentences, which wrap */
export function htmlTable([head, ...rows]: readonly (readonly string[])[], kind = "numbers"): string {
  const cells = (row: readonly string[], tag: "th" | "td"): string => `<tr>${row.map((cell) => `<${tag}>${cell}</${tag}>`).join("")}</tr>`;
  const body = rows.map((row) => cells(row, "td")).join("");
  return `<div class="scroll"><table class="${kind}"><thead>${cells(head!, "th")}</thead><tbody>${body}</tbody></table></div>`;
}

export const figure = (svg: string, caption: string): string => `<figure>${svg}<figcaption>${caption}</figcaption></figure>`;

/** What one sees when one asks for it. */
export const folded = (summary: string, body: string): string => `<details><summary>${escape(summary)}</summary>${body}</details>`;
