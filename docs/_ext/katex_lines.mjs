// Reads formulas, one JSON object a line, and answers each with a line: {html} or {error}. Started by katex_math.py.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const katex = createRequire(import.meta.url)(process.argv[2]);

for await (const line of createInterface({ input: process.stdin })) {
  const { formula, display } = JSON.parse(line);
  const settings = { displayMode: display, throwOnError: true, strict: "ignore", output: "htmlAndMathml" };
  let answer;
  try {
    answer = { html: katex.renderToString(formula, settings) };
  } catch (error) {
    answer = { error: String(error.message) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
