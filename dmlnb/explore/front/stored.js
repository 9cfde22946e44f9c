// The explorer without Python: a model whose answers are stored in the page, in place of the one that a kernel keeps.
import explorer from "./explorer.js";
import { HIT, numbers, readImages } from "./images.js";

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const each = (table, change) => Object.fromEntries(Object.entries(table).map(([name, value]) => [name, change(value)]));
const packed = (array) => new Uint8Array(array.buffer);

function storedModel({ traits, sprite, labels, columns, maps, measures, quality, neighbours, kept, wide }) {
  const handlers = new Map(), changed = new Set();
  const state = { ...traits, sprite: bytes(sprite), labels: bytes(labels), columns: each(columns, bytes) };
  const model = {
    get: (name) => state[name],
    on: (event, handler) => handlers.set(event, [...(handlers.get(event) ?? []), handler]),
    off: (event, handler) => handlers.set(event, (handlers.get(event) ?? []).filter((h) => h !== handler)),
    set(name, value) {
      state[name] = value;
      changed.add(name);
    },
    save_changes() { // tells what has changed, answers it, and tells the answers
      while (changed.size) {
        const names = [...changed];
        changed.clear();
        answer(new Set(names));
        for (const name of names) for (const handler of handlers.get(`change:${name}`) ?? []) handler();
      }
    },
  };
  const tables = each(neighbours, ({ index, distance }) => ({
    index: numbers(bytes(index), wide ? Uint32Array : Uint16Array),
    distance: numbers(bytes(distance), Uint16Array),
  }));
  const images = readImages(model);

  const points = (name) => packed(Float32Array.from(numbers(bytes(maps[name][state.projection]), Int16Array), (v) => v / 32767));
  function found(name) { // the neighbours of the picked image
    const i = state.picked, start = i * kept, { index, distance } = tables[name];
    const near = [...index.slice(start, start + state.k)];
    const far = [...distance.slice(start, start + state.k)].map((v) => v / 32767);
    return { index: near, distance: far, cosine: far.map((d) => 1 - d * d / 2), hit: near.map((j) => images.labels[j] === images.labels[i]) };
  }
  function inside(x, y, corners) { // is the point in the polygon? (even-odd rule)
    let odd = false;
    for (let j = 0, k = corners.length - 1; j < corners.length; k = j++) {
      const [[a, b], [c, d]] = [corners[j], corners[k]];
      if (b > y !== d > y && x < (c - a) * (y - b) / (d - b) + a) odd = !odd;
    }
    return odd;
  }
  function enclosed() {
    const place = numbers(state.lasso_on_twin ? state.twin_points : state.points, Float32Array);
    images.update();
    return [...images.labels.keys()].filter((i) => !images.hidden[i] && inside(place[2 * i], place[2 * i + 1], state.lasso));
  }
  function statistics(chosen) {
    const counts = new Map();
    for (const i of chosen) counts.set(images.labels[i], (counts.get(images.labels[i]) ?? 0) + 1);
    const classes = [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]), hits = images.values(HIT);
    const queries = chosen.filter((i) => !Number.isNaN(hits[i]));
    const recall = queries.length ? queries.reduce((sum, i) => sum + hits[i], 0) / queries.length : null;
    return { size: chosen.length, classes, recall, complete: classes.filter(([c, number]) => images.sizes.get(c) === number).length,
      inside: recallInside(chosen, queries) };
  }
  function recallInside(chosen, queries) { // unknown where no stored neighbour of an image is selected too
    const mask = new Set(chosen), { index } = tables[state.embedding];
    let right = 0;
    for (const i of queries) {
      const near = index.slice(i * kept, (i + 1) * kept).find((j) => mask.has(j));
      if (near === undefined) return undefined;
      right += images.labels[near] === images.labels[i];
    }
    return queries.length ? right / queries.length : undefined;
  }
  function answer(names) {
    const any = (...some) => some.some((name) => names.has(name));
    if (any("embedding", "projection", "twin")) {
      if (state.twin === state.embedding) model.set("twin", "");
      model.set("points", points(state.embedding));
      model.set("twin_points", state.twin ? points(state.twin) : new Uint8Array(0));
      model.set("measures", each({ ...measures[state.embedding], ...quality[state.embedding][state.projection] }, bytes));
    }
    if (any("embedding", "twin", "picked", "k")) {
      model.set("found", state.picked < 0 ? {} : found(state.embedding));
      model.set("twin_found", state.picked < 0 || !state.twin ? {} : found(state.twin));
    }
    if (any("lasso")) model.set("selected", packed(Uint32Array.from(state.lasso.length < 3 ? [] : enclosed())));
    if (any("selected", "embedding")) model.set("stats", statistics([...numbers(state.selected, Uint32Array)]));
  }
  model.set("embedding", state.embedding);
  model.save_changes();
  return model;
}

const model = storedModel(JSON.parse(document.getElementById("dmlnb-data").textContent));
explorer.render({ model, el: document.querySelector("main") });
