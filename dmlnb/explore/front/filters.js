// The rows of filters: of a column of numbers a range, of a category the words to keep.
import { h } from "./panels.js";

const WORDS = 40; // of a category that are offered, the most frequent ones

export function filterRows(model, images, change) {
  return Object.entries(model.get("filters")).map(([name, rule]) => {
    const levels = images.levels(name), ready = images.values(name).length === images.n;
    const parts = !ready ? ["…"] : levels ? words(name, levels, rule ?? levels, change) : range(name, images, rule, change);
    const away = h("button", { type: "button", "aria-label": `no filter by ${name}`, title: "take this filter away" }, "×");
    away.addEventListener("click", () => change(name));
    return h("div", { class: "dmlnb-filter", role: "group", "aria-label": `filter by ${name}` }, h("b", {}, name), ...parts, away);
  });
}

function words(name, levels, kept, change) {
  return levels.slice(0, WORDS).map((word) => {
    const box = h("input", { type: "checkbox", checked: kept.includes(word) });
    box.addEventListener("change", () => {
      change(name, levels.filter((w) => (w === word ? box.checked : kept.includes(w))), true);
    });
    return h("label", {}, box, ` ${word}`);
  });
}

function range(name, images, rule, change) {
  const [least, most] = images.range(name), said = h("output", {});
  const ends = [least, most].map((limit, j) => {
    const start = rule ? Math.min(most, Math.max(least, rule[j])) : limit;
    const slider = h("input", { type: "range", min: 0, max: 1000, step: 1, "aria-label": `${j ? "largest" : "smallest"} ${name}` });
    slider.value = most > least ? 1000 * (start - least) / (most - least) : 1000 * j;
    return slider;
  });
  const value = (j) => { // the ends of the slider are the ends of the numbers, exactly
    const at = +ends[j].value;
    return at === 0 ? least : at === 1000 ? most : least + (most - least) * at / 1000;
  };
  const tell = () => {
    said.textContent = [0, 1].map((j) => `${+value(j).toPrecision(3)}`).join(" … ");
    ends.forEach((slider, j) => slider.setAttribute("aria-valuetext", `${+value(j).toPrecision(3)}`));
  };
  ends.forEach((slider, j) => {
    slider.addEventListener("input", () => {
      if (+ends[0].value > +ends[1].value) slider.value = ends[1 - j].value;
      tell();
      change(name, [value(0), value(1)], false);
    });
    slider.addEventListener("change", () => change(name, [value(0), value(1)], true));
  });
  tell();
  return [ends[0], said, ends[1]];
}
