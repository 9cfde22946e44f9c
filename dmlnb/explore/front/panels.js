// Words and tiles about what is picked, selected and coloured. Names are set as text, so none becomes markup.
import { CLASS, HIT } from "./images.js";
import { shades } from "./marks.js";

const SHEET = 60, CLASSES = 8; // tiles of a contact sheet, rows of a selection's table

export function h(tag, attributes = {}, ...children) { // an element
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}
const plural = (number, word, ending = "s") => `${number} ${word}${number === 1 ? "" : ending}`;
const percent = (share) => (share === null ? "–" : `${Math.round(100 * share)} %`);

export function makeSheet(model) { // the images: all of them small on one sheet, some of them larger by themselves
  let sprite = null;
  const { size, columns } = model.get("tile");
  return {
    ready: () => Boolean(sprite),
    async load(bytes) {
      if (bytes.length) sprite = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }));
    },
    cut(target, i, x, y, side) { // the tile of image i
      if (!sprite) return;
      target.imageSmoothingEnabled = false;
      target.drawImage(sprite, (i % columns) * size, Math.floor(i / columns) * size, size, size, x, y, side, side);
    },
    picture(i) {
      const src = model.get("thumbs")[i];
      if (src) return h("img", { src, alt: "" });
      const canvas = h("canvas", { width: 64, height: 64, "aria-hidden": "true" });
      this.cut(canvas.getContext("2d"), i, 0, 0, 64);
      return canvas;
    },
  };
}

// one image as a button that picks it; a hit has a full frame and a tick, a miss a dashed one and a cross
function tile(sheet, i, title, caption, hit) {
  const kind = hit === undefined ? "" : hit ? " hit" : " miss";
  const words = title + (hit === undefined ? "" : hit ? ", hit" : ", miss");
  const mark = hit === undefined ? [] : [h("i", { "aria-hidden": "true" }, hit ? "✓" : "✗")];
  return h("li", {}, h("button", { type: "button", class: `dmlnb-tile${kind}`, "data-index": i, title: words, "aria-label": `${caption}: ${words}` },
    sheet.picture(i), ...mark, h("small", {}, caption)));
}

export function pickedPanel(model, images, sheet) {
  const i = model.get("picked");
  if (i < 0) return [];
  const c = images.labels[i], found = [["embedding", "found"], ["twin", "twin_found"]];
  const lines = found.filter(([, trait]) => model.get(trait).index).map(([name, trait]) => {
    const { hit } = model.get(trait), hits = hit.filter(Boolean).length;
    return h("p", {}, "By ", h("b", {}, model.get(name)), `: ${hits} of ${hit.length} neighbours are hits.`);
  });
  const columns = Object.keys({ ...model.get("columns"), ...model.get("measures") });
  const values = columns.filter((name) => name !== HIT && images.values(name).length)
    .map((name) => h("p", { class: "dmlnb-value" }, `${name}: ${images.words(name, i)}`));
  const who = h("p", {}, h("b", {}, `Image ${i}`), ", class ", h("b", {}, images.names.get(c)),
    ` (${images.sizes.get(c) - 1} others in the set).`);
  return [h("div", { class: "dmlnb-who" }, sheet.picture(i), h("div", {}, who, ...lines)), ...values];
}

export function neighbourRows(model, images, sheet) {
  const both = Boolean(model.get("twin_found").index);
  return [["embedding", "found"], ["twin", "twin_found"]].flatMap(([name, trait]) => {
    const { index, distance, cosine, hit } = model.get(trait);
    if (!index) return [];
    const tiles = index.map((i, rank) => {
      const word = images.names.get(images.labels[i]), far = distance[rank].toFixed(2);
      const title = `neighbour ${rank + 1}: image ${i}, class ${word}, distance ${far}, cosine ${cosine[rank].toFixed(2)}`;
      return tile(sheet, i, title, `${word} ${far}`, hit[rank]);
    });
    const by = `nearest neighbours by ${model.get(name)}`;
    return [...(both ? [h("p", { class: "dmlnb-by" }, by)] : []), h("ul", { class: "dmlnb-row", "aria-label": by }, ...tiles)];
  });
}

export function looksPanel(model) {
  return model.get("looks").map(({ src, alt }) => h("img", { src, alt }));
}

export function selectionPanel(model, images) {
  const found = model.get("stats");
  if (!found.size) return [];
  const most = Math.max(...found.classes.map(([, number]) => number));
  const rows = found.classes.slice(0, CLASSES).map(([c, number]) => h("tr", {},
    h("td", {}, images.names.get(c)),
    h("td", {}, h("span", { style: `width:${Math.round(100 * number / most)}%` })),
    h("td", {}, `${number} of ${images.sizes.get(c)}`)));
  const recall = [`R@1 ${percent(found.recall)} against all images`];
  if (found.inside !== undefined) recall.push(`${percent(found.inside)} inside the selection`);
  const rest = found.classes.length - CLASSES;
  return [
    h("p", {}, h("b", {}, plural(found.size, "image")), ` of ${plural(found.classes.length, "class", "es")}, `
      + `${found.complete} of them completely. By ${model.get("embedding")}: ${recall.join(", ")}.`),
    h("table", {}, h("tbody", {}, ...rows)),
    ...(rest > 0 ? [h("p", {}, `classes not listed: ${rest}`)] : []),
  ];
}

export function contactSheet(model, images, sheet, chosen) {
  if (!model.get("sheet") || !chosen.length) return [];
  const ordered = sheetOrder(images.labels, chosen), rest = ordered.length - SHEET;
  const tiles = ordered.slice(0, SHEET).map((i) => {
    const word = images.names.get(images.labels[i]);
    return tile(sheet, i, `image ${i}, class ${word}`, word);
  });
  return [h("ul", { class: "dmlnb-row dmlnb-sheet", "aria-label": "selected images" }, ...tiles),
    ...(rest > 0 ? [h("p", {}, `and ${rest} more`)] : [])];
}
const sheetOrder = (labels, chosen) => [...chosen].sort((a, b) => labels[a] - labels[b] || a - b);

export function legend(model, images) {
  const by = model.get("color_by"), levels = images.levels(by), entries = [];
  const glyph = ([mark, color]) => h("i", { style: color ? `color:${color}` : undefined, "aria-hidden": "true" }, mark);
  const plain = (style, words) => entries.push(h("span", { class: "dmlnb-chip" }, glyph(images.look(style)), ` ${words}`));
  if (by === CLASS || model.get("only")) {
    model.get("classes").forEach((c, j) => {
      const words = images.names.get(c), mark = by === CLASS ? images.look(1 + j) : ["·", ""];
      entries.push(h("button", { type: "button", class: "dmlnb-chip", "data-class": c, title: `class ${words}: click to make it grey` },
        glyph(mark), ` ${words}`));
    });
    if (by === CLASS && !model.get("only")) plain(0, "other classes");
  }
  if (by === HIT) {
    plain(2, "nearest neighbour is a hit");
    plain(1, "is a miss");
  } else if (levels) {
    levels.slice(0, 8).forEach((word, j) => plain(1 + j, word));
    if (levels.length > 8) plain(0, `${levels.length - 8} others`);
  } else if (by !== CLASS) {
    const [low, high] = images.range(by).map((v) => +v.toPrecision(3));
    const scale = h("span", { class: "dmlnb-scale", style: `background:linear-gradient(90deg,${shades(images.dark).join(",")})` });
    entries.push(`${by}: ${low} `, scale, ` ${high}`);
  }
  return entries;
}

export function csv(model, images, chosen) { // the selection as a table, one line an image
  const columns = Object.keys({ ...model.get("columns"), ...model.get("measures") }).filter((name) => images.values(name).length);
  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const value = (name, i) => {
    const v = images.values(name)[i];
    return Number.isNaN(v) ? "" : images.levels(name)?.[v] ?? `${v}`;
  };
  const lines = [["index", "label", "class", ...columns], ...[...chosen].map((i) => [
    `${i}`, `${images.labels[i]}`, images.names.get(images.labels[i]), ...columns.map((name) => value(name, i))])];
  return lines.map((line) => line.map(quoted).join(",")).join("\r\n") + "\r\n";
}
