// What is known of each image: its class, its numbers, whether it is hidden, and in which style it is drawn.
import { BAD, FIRST, GOOD, GREY, MARKS, SHADES, brighter, faint, shades } from "./marks.js";

export const CLASS = "class", HIT = "hit or miss";

export function numbers(value, Type) { // bytes of the model as an array of numbers
  if (!value || !value.byteLength) return new Type(0);
  const buffer = value.buffer || value, start = value.byteOffset || 0;
  return new Type(buffer.slice(start, start + value.byteLength));
}

export function readImages(model) {
  const labels = numbers(model.get("labels"), Float64Array), n = labels.length, arrays = new Map(), sizes = new Map();
  const classNames = model.get("class_names");
  const names = new Map(model.get("class_labels").map((c, j) => [c, classNames[j]]));
  for (const c of labels) sizes.set(c, (sizes.get(c) ?? 0) + 1);
  const images = { n, labels, names, sizes, values, levels, range, words, look, update, dark: false };

  function values(name) { // (n,) numbers, or none while they are on their way
    const source = model.get("measures")[name] ?? model.get("columns")[name];
    if (!arrays.has(name) || arrays.get(name).source !== source) arrays.set(name, { source, array: numbers(source, Float32Array) });
    return arrays.get(name).array;
  }
  function levels(name) { return model.get("levels")[name]; } // words of a category, most frequent first
  function range(name) {
    let low = Infinity, high = -Infinity;
    for (const v of values(name)) if (Number.isFinite(v)) [low, high] = [Math.min(low, v), Math.max(high, v)];
    return low <= high ? [low, high] : [0, 1];
  }
  function words(name, i) { // what a column says of an image
    const v = values(name)[i];
    if (v === undefined || Number.isNaN(v)) return "–";
    return levels(name)?.[v] ?? `${+v.toPrecision(3)}`;
  }

  function update() { // after a change of classes, colouring, filters or numbers
    images.hidden = hidden();
    images.style = styles();
  }
  function hidden() {
    const off = new Uint8Array(n), classes = new Set(model.get("classes"));
    if (model.get("only")) for (let i = 0; i < n; i++) if (!classes.has(labels[i])) off[i] = 1;
    for (const [name, rule] of Object.entries(model.get("filters"))) {
      const v = values(name), words = levels(name);
      if (!rule || v.length !== n) continue;
      const kept = words && new Set(rule.map((word) => words.indexOf(word)));
      for (let i = 0; i < n; i++) if (kept ? !kept.has(v[i]) : !(v[i] >= rule[0] && v[i] <= rule[1])) off[i] = 1;
    }
    return off;
  }
  function styles() {
    const found = new Uint8Array(n), by = model.get("color_by"), v = values(by);
    if (by === CLASS) {
      const slots = new Map(model.get("classes").map((c, j) => [c, FIRST + j]));
      for (let i = 0; i < n; i++) found[i] = slots.get(labels[i]) ?? GREY;
    } else if (v.length !== n) {
      return found;
    } else if (levels(by)) {
      for (let i = 0; i < n; i++) found[i] = v[i] < MARKS.length ? FIRST + v[i] : GREY;
    } else {
      const [low, high] = range(by);
      for (let i = 0; i < n; i++) {
        const share = Math.min(1, Math.max(0, (v[i] - low) / (high - low || 1)));
        found[i] = Number.isNaN(v[i]) ? GREY : FIRST + Math.round((SHADES - 1) * share);
      }
    }
    return found;
  }
  function look(s) { // mark and colour of a style
    const by = model.get("color_by");
    if (s === GREY) return ["●", faint(images.dark)];
    if (by === HIT) return s === FIRST ? ["✖", BAD] : ["●", GOOD];
    if (by === CLASS || levels(by)) return [MARKS[s - FIRST], brighter(model.get("palette")[s - FIRST], images.dark)];
    return ["●", shades(images.dark)[s - FIRST]];
  }
  return images;
}
