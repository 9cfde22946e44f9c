// The browser's half of EmbeddingExplorer: puts the parts together and passes on what the reader does. Everything it
// knows comes from the model's traits; it loads nothing. The same page runs without Python (stored.js).
import { filterRows } from "./filters.js";
import { attachHand } from "./hand.js";
import { numbers, readImages } from "./images.js";
import { MARKS } from "./marks.js";
import { contactSheet, csv, h, legend, looksPanel, makeSheet, neighbourRows, pickedPanel, selectionPanel } from "./panels.js";
import { makeScatter } from "./scatter.js";

const MOVES = 30; // lines between two maps
const TEMPLATE = `
<div class="dmlnb-bar" role="group" aria-label="What is shown">
  <span class="dmlnb-group" data-choice="embedding" role="group" aria-label="embedding"></span>
  <label data-for="twin">beside it <select data-k="twin"></select></label>
  <label data-for="moves" hidden title="30 lines: from where a point lies on the other map to where it lies on this one"><input type="checkbox" class="dmlnb-moves"> what moved most</label>
  <span class="dmlnb-group" data-choice="projection" role="group" aria-label="projection"></span>
  <label>colour <select data-k="color_by"></select></label>
  <label>find <input class="dmlnb-find" size="12" placeholder="class or #number" autocomplete="off"></label>
  <label>neighbours <input type="number" data-k="k" min="1"></label>
</div>
<div class="dmlnb-bar" role="group" aria-label="Selecting">
  <span class="dmlnb-group">
    <button type="button" data-do="lasso" aria-pressed="false" title="draw round points; or hold Shift and drag">lasso</button>
    <button type="button" data-do="view" title="select every point in view (V)">select view</button>
    <button type="button" data-do="clear" title="no pick, no selection (Escape)">clear</button>
  </span>
  <span class="dmlnb-group">
    <button type="button" data-do="in" aria-label="zoom in" title="zoom in (+)">+</button>
    <button type="button" data-do="out" aria-label="zoom out" title="zoom out (−)">−</button>
    <button type="button" data-do="home" title="the whole map (0)">whole map</button>
  </span>
  <label><input type="checkbox" data-k="only"> only coloured classes</label>
  <label data-for="filter">filter by <select class="dmlnb-add"></select></label>
  <button type="button" data-do="everything" hidden>map of all images</button>
</div>
<div class="dmlnb-filters"></div>
<div class="dmlnb-legend"></div>
<div class="dmlnb-body">
  <div class="dmlnb-main">
    <div class="dmlnb-stages">
      <div class="dmlnb-stage"><canvas class="dmlnb-map" tabindex="0" role="application"></canvas><b class="dmlnb-name" hidden></b></div>
      <div class="dmlnb-stage" hidden><canvas class="dmlnb-map" tabindex="0" role="application"></canvas><b class="dmlnb-name"></b></div>
      <div class="dmlnb-tip" aria-hidden="true" hidden><canvas width="96" height="96"></canvas><div></div></div>
      <div class="dmlnb-foot"><span class="dmlnb-status" role="status" aria-live="polite"></span>
        <button type="button" data-do="cancel" hidden>stop</button></div>
    </div>
    <div class="dmlnb-neighbours"></div>
    <div class="dmlnb-contact"></div>
  </div>
  <div class="dmlnb-side">
    <div class="dmlnb-picked" aria-live="polite"></div>
    <button type="button" data-do="rivals" hidden>colour its and its neighbours' classes</button>
    <div class="dmlnb-look"></div>
    <div class="dmlnb-selection" aria-live="polite"></div>
    <div class="dmlnb-group" data-for="selected" hidden>
      <button type="button" data-do="sheet" aria-pressed="false">contact sheet</button>
      <button type="button" data-do="focus" title="a map of the selected images alone">map these</button>
      <button type="button" data-do="csv" title="the selection as a table: a CSV file">save CSV</button>
    </div>
  </div>
</div>`;

function render({ model, el }) {
  const root = h("div", { class: "dmlnb-explorer", "data-lm-suppress-shortcuts": "true" }); // JupyterLab leaves keys to the widget
  root.innerHTML = TEMPLATE;
  el.appendChild(root);
  const $ = (selector) => root.querySelector(selector), listeners = [];
  const stages = [...root.querySelectorAll(".dmlnb-stage")], tip = $(".dmlnb-tip"), find = $(".dmlnb-find");
  const images = readImages(model), { labels, names } = images, sheet = makeSheet(model);
  const shared = {
    model, images, sheet, home, keepScale,
    view: { x: 0, y: 0, k: 1 }, maps: [], chosen: [], moves: [], lasso: { corners: [] }, cursor: -1, moving: 0,
  };
  const { view } = shared;
  const [first, second] = ["found", "twin_found"].map((found, j) => makeScatter(stages[j].firstElementChild, shared, found));
  shared.maps.push(first);
  let lassoing = false, hovered = first;

  function on(names, handler) {
    for (const name of names.split(" ")) {
      model.on(`change:${name}`, handler);
      listeners.push([`change:${name}`, handler]);
    }
  }
  function send(name, value) {
    model.set(name, value);
    model.save_changes();
  }
  function ask(what) { send("request", [what, Math.random()]); } // once more is a change too
  function say(text) { $(".dmlnb-status").textContent = text; }
  const draw = () => shared.maps.forEach((m) => m.draw()), refresh = () => shared.maps.forEach((m) => m.refresh());

  // --- the view, the same on both maps --------------------------------------------------------------------------

  function home() { // pixels a unit at which every map is whole
    const fits = shared.maps.filter((m) => m.size()[0] > 1).map((m) => m.fit());
    return fits.length ? Math.min(...fits) : 1;
  }
  function keepScale(change) { // what changes the size or reach of a map leaves the zoom as it is
    const zoomed = view.k / home();
    change();
    view.k = zoomed * home();
  }
  function middle(map) { // what stays in place under a zoom without a mouse: the point in hand, or the middle of the map
    const i = shared.cursor >= 0 ? shared.cursor : model.get("picked"), [width, height] = map.size();
    const [x, y] = i >= 0 ? map.toScreen(...map.place(i)) : [-1, -1];
    return x >= 0 && y >= 0 && x <= width && y <= height ? [x, y] : [width / 2, height / 2];
  }
  function zoom(factor, map = first, ...at) {
    const [sx, sy] = at.length ? at : middle(map), [x, y] = map.toMap(sx, sy);
    view.k = Math.min(200 * home(), Math.max(0.5 * home(), view.k * factor));
    const [nx, ny] = map.toMap(sx, sy);
    view.x += x - nx;
    view.y += y - ny;
    shared.moving = performance.now() + 120;
    showTip();
    draw();
  }
  function pan(dx, dy) {
    view.x -= dx / view.k;
    view.y += dy / view.k;
    draw();
  }
  function whole() {
    Object.assign(view, { x: 0, y: 0, k: home() });
    refresh();
  }
  function bring(i) { // a point that is out of sight into the middle
    const [x, y] = first.place(i), [sx, sy] = first.toScreen(x, y), [width, height] = first.size();
    if (sx < 0 || sy < 0 || sx > width || sy > height) Object.assign(view, { x, y });
  }
  function enclose(corners, map) {
    const step = Math.max(1, Math.ceil(corners.length / 200)); // a polygon travels, not the points in it
    const sent = corners.filter((_, j) => j % step === 0).map((c) => c.map((v) => +v.toFixed(5)));
    sent[0][0] += 1e-6 * Math.random(); // the same polygon again is a change too
    model.set("lasso_on_twin", map === second);
    send("lasso", sent);
  }

  // --- under the hand -------------------------------------------------------------------------------------------

  function hover(i, map = hovered) {
    if (i === shared.cursor && map === hovered) return;
    [shared.cursor, hovered] = [i, map];
    showTip();
    draw();
  }
  function showTip() {
    const i = shared.cursor;
    tip.hidden = i < 0;
    if (i < 0) return;
    const by = model.get("color_by");
    let words = `class ${names.get(labels[i])}\nimage ${i}`;
    if (images.values(by).length) words += by === "hit or miss" ? `\n${images.words(by, i)}` : `\n${by} ${images.words(by, i)}`;
    tip.lastElementChild.textContent = words;
    tip.dataset.index = i;
    const picture = tip.firstElementChild.getContext("2d");
    picture.clearRect(0, 0, 96, 96);
    sheet.cut(picture, i, 0, 0, 96);
    const stage = hovered.canvas.parentElement, [px, py] = hovered.toScreen(...hovered.place(i));
    const x = px + stage.offsetLeft, y = py + stage.offsetTop, { offsetWidth: width, offsetHeight: height } = tip.parentElement;
    const right = x + 16 + tip.offsetWidth > width ? x - 16 - tip.offsetWidth : x + 16;
    tip.style.left = `${Math.max(2, right)}px`;
    tip.style.top = `${Math.max(2, Math.min(height - tip.offsetHeight - 2, y - tip.offsetHeight / 2))}px`;
  }
  function step(map, dx, dy) { // to the next point in this direction
    const from = shared.cursor >= 0 ? shared.cursor : model.get("picked"), [width, height] = map.size();
    const next = from < 0 ? map.nearest(width / 2, height / 2, 1e5) : map.beside(from, dx, dy);
    if (next < 0) return;
    bring(next);
    hover(next, map);
    say(`image ${next}, class ${names.get(labels[next])}`);
  }
  const reader = { hover, zoom, pan, enclose, pick: (i) => send("picked", i), lassoing: () => lassoing };
  attachHand(first, shared, reader);
  attachHand(second, shared, reader);

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  root.addEventListener("keydown", (event) => {
    event.stopPropagation(); // the notebook has keys of its own
    const map = shared.maps.find((m) => m.canvas === event.target), arrow = ARROWS[event.key];
    if (!map || event.ctrlKey || event.metaKey || event.altKey) return;
    if (arrow && event.shiftKey) pan(-40 * arrow[0], 40 * arrow[1]);
    else if (arrow) step(map, ...arrow);
    else if (event.key === "Enter" || event.key === " ") { if (shared.cursor >= 0) send("picked", shared.cursor); }
    else if (event.key === "+" || event.key === "=") zoom(1.4);
    else if (event.key === "-") zoom(1 / 1.4);
    else if (event.key === "0") whole();
    else if (event.key === "v" || event.key === "V") actions.view();
    else if (event.key === "Escape") actions.clear();
    else return;
    event.preventDefault();
  });

  const actions = {
    lasso(button) {
      lassoing = !lassoing;
      button.setAttribute("aria-pressed", lassoing);
      root.classList.toggle("dmlnb-lassoing", lassoing);
    },
    view() {
      const [width, height] = first.size();
      shared.lasso = { corners: [] };
      enclose([[0, 0], [width, 0], [width, height], [0, height]].map((c) => first.toMap(...c)), first);
    },
    clear() {
      shared.lasso = { corners: [] };
      hover(-1);
      say("");
      model.set("picked", -1);
      model.set("sheet", false);
      send("lasso", [[Math.random(), 0]]); // encloses nothing, and is a change even where no lasso was drawn
      refresh();
    },
    in: () => zoom(1.4),
    out: () => zoom(1 / 1.4),
    home: whole,
    sheet: () => send("sheet", !model.get("sheet")),
    rivals() {
      const near = [model.get("picked"), ...model.get("found").index].map((i) => labels[i]);
      send("classes", [...new Set(near)].slice(0, MARKS.length));
    },
    focus: () => ask("focus"),
    everything: () => ask("everything"),
    cancel: () => ask("cancel"),
    csv() {
      const file = URL.createObjectURL(new Blob([csv(model, images, shared.chosen)], { type: "text/csv" }));
      h("a", { href: file, download: "selection.csv" }).click();
      setTimeout(() => URL.revokeObjectURL(file), 1000);
    },
  };
  root.addEventListener("click", (event) => {
    const target = (name) => event.target.closest(`[data-${name}]`);
    const button = target("index"), chip = target("class"), action = target("do"), choice = target("value");
    if (button && button !== tip) send("picked", +button.dataset.index);
    else if (chip) send("classes", model.get("classes").filter((c) => c !== +chip.dataset.class));
    else if (action) actions[action.dataset.do](action);
    else if (choice) send(choice.parentElement.dataset.choice, choice.dataset.value);
  });
  $("[data-k=color_by]").addEventListener("change", (event) => send("color_by", event.target.value));
  $("[data-k=twin]").addEventListener("change", (event) => send("twin", event.target.value));
  $("[data-k=only]").addEventListener("change", (event) => send("only", event.target.checked));
  $("[data-k=k]").addEventListener("change", (event) => {
    send("k", Math.max(1, Math.min(+event.target.max, Math.round(+event.target.value) || 10)));
    event.target.value = model.get("k");
  });
  $(".dmlnb-moves").addEventListener("change", whatMoved);
  $(".dmlnb-add").addEventListener("change", (event) => changeFilter(event.target.value, null, true));
  find.addEventListener("change", () => {
    const text = find.value.trim(), entries = [...names], start = text.toLowerCase();
    if (!text) return;
    const number = text.match(/^#(\d+)$/);
    const found = entries.find(([, name]) => name.trim() === text)
      ?? entries.find(([, name]) => name.trim().toLowerCase().startsWith(start));
    const c = found?.[0];
    if (number && +number[1] < images.n) {
      bring(+number[1]);
      send("picked", +number[1]);
    } else if (found) {
      send("classes", [c, ...model.get("classes").filter((d) => d !== c)].slice(0, MARKS.length));
    } else {
      return say(`nothing is called ${text}`);
    }
    find.value = "";
    say("");
  });

  // --- from traits to the page ----------------------------------------------------------------------------------

  const fill = (selector, parts) => $(selector).replaceChildren(...parts);
  const show = (selector, shown) => { $(selector).hidden = !shown; };
  const choose = (selector, options) => $(selector).replaceChildren(...options.map(([value, words]) => new Option(words ?? value, value)));

  function choices(name, options) {
    const box = $(`[data-choice=${name}]`);
    box.replaceChildren(...model.get(options).map((value) => h("button", { type: "button", "data-value": value }, value)));
    const mark = () => {
      root.dataset[name] = model.get(name);
      for (const b of box.children) b.setAttribute("aria-pressed", b.dataset.value === model.get(name));
    };
    on(name, mark);
    mark();
  }
  let rows = ""; // which filters have rows; these are not built anew under the hand that moves one
  function changeFilter(name, rule, done = true) {
    const filters = { ...model.get("filters") };
    if (rule === undefined) delete filters[name];
    else filters[name] = rule;
    model.set("filters", filters);
    if (done) model.save_changes();
    else restyle();
  }
  function whatIsFiltered() {
    const filters = model.get("filters");
    const now = JSON.stringify(Object.keys(filters).map((name) => [name, images.values(name).length]));
    if (now !== rows || !$(".dmlnb-filters").contains(document.activeElement)) {
      fill(".dmlnb-filters", filterRows(model, images, changeFilter));
      rows = now;
      const free = model.get("colorings").slice(1).filter((name) => !(name in filters));
      choose(".dmlnb-add", [["", "…"], ...free.map((name) => [name])]);
      show("[data-for=filter]", free.length);
    }
    restyle();
  }
  function restyle() {
    images.update();
    fill(".dmlnb-legend", legend(model, images));
    whatMoved();
    refresh();
  }
  function whatIsColoured() {
    $("[data-k=color_by]").value = model.get("color_by");
    $("[data-k=only]").checked = model.get("only");
    root.dataset.colorBy = model.get("color_by");
    whatIsFiltered();
    whatIsPicked(); // its numbers may be new
  }
  function whereThingsAre() {
    const [points, beside] = ["points", "twin_points"].map((name) => numbers(model.get(name), Float32Array));
    const two = model.get("twin") !== "" && beside.length === points.length;
    shared.lasso = { corners: [] }; // drawn round other places
    keepScale(() => {
      shared.maps.length = 0;
      shared.maps.push(...(two ? [first, second] : [first]));
    });
    stages[1].hidden = stages[0].lastElementChild.hidden = !two;
    root.dataset.twin = two ? model.get("twin") : "";
    show("[data-for=moves]", two);
    first.setPoints(points);
    if (two) {
      second.setPoints(beside);
      second.resize();
    }
    whatMoved();
    showTip();
  }
  function whatTheyAreCalled() {
    stages.forEach((stage, j) => { stage.lastElementChild.textContent = model.get(j ? "twin" : "embedding"); });
    $("[data-k=twin]").value = model.get("twin");
  }
  function whatMoved() { // the visible images whose points lie farthest apart on the two maps
    shared.moves = [];
    if (shared.maps.length === 2 && $(".dmlnb-moves").checked) {
      const far = new Float32Array(images.n);
      for (let i = 0; i < images.n; i++) {
        const [[a, b], [c, d]] = shared.maps.map((m) => m.place(i));
        far[i] = images.hidden[i] ? 0 : Math.hypot(a - c, b - d) || 0;
      }
      shared.moves = [...far.keys()].sort((a, b) => far[b] - far[a]).slice(0, MOVES).filter((i) => far[i] > 0);
    }
    draw();
  }
  function whatIsChosen() {
    shared.chosen = numbers(model.get("selected"), Uint32Array);
    root.dataset.selected = shared.chosen.length;
    show("[data-for=selected]", shared.chosen.length);
    whatIsOnTheSheet();
    refresh();
  }
  function whatIsOnTheSheet() {
    $("[data-do=sheet]").setAttribute("aria-pressed", model.get("sheet"));
    fill(".dmlnb-contact", contactSheet(model, images, sheet, shared.chosen));
  }
  function whatIsPicked() {
    root.dataset.picked = model.get("picked");
    show("[data-do=rivals]", model.get("picked") >= 0);
    fill(".dmlnb-picked", pickedPanel(model, images, sheet));
    fill(".dmlnb-neighbours", neighbourRows(model, images, sheet));
    draw();
  }
  function whatIsAtWork() {
    say(model.get("status"));
    show("[data-do=cancel]", model.get("busy"));
    show("[data-do=everything]", model.get("focused"));
    show("[data-do=focus]", model.get("kernel"));
  }

  function theme() { // dark or light, from the ground that the widget really stands on
    let ground = null;
    for (let e = root.parentElement; e && !ground; e = e.parentElement) {
      const found = getComputedStyle(e).backgroundColor.match(/[\d.]+/g);
      if (found && (found.length < 4 || +found[3] > 0.5)) ground = found.map(Number);
    }
    const dark = ground ? 0.3 * ground[0] + 0.6 * ground[1] + 0.1 * ground[2] < 110 : false;
    root.classList.toggle("dmlnb-dark", dark);
    if (dark === images.dark) return;
    images.dark = dark;
    restyle();
  }

  const keys = "Arrow keys go from point to point, Enter picks one; Shift with arrows moves the map, plus and minus zoom, "
    + "0 shows all, V selects what is in view, Escape clears.";
  first.canvas.setAttribute("aria-label", `Map of ${images.n} images. ${keys}`);
  second.canvas.setAttribute("aria-label", `Second map of the same images. ${keys}`);
  choices("embedding", "embeddings");
  choices("projection", "projections");
  choose("[data-k=color_by]", model.get("colorings").map((name) => [name]));
  choose("[data-k=twin]", [["", "nothing"], ...model.get("embeddings").map((name) => [name])]);
  show("[data-for=twin]", model.get("embeddings").length > 1);
  const known = h("datalist", { id: `dmlnb-${Math.random().toString(36).slice(2)}` });
  known.replaceChildren(...[...names.values()].slice(0, 2000).map((name) => new Option(name)));
  root.append(known);
  find.setAttribute("list", known.id);
  const count = () => {
    $("[data-k=k]").max = model.get("most_neighbours");
    $("[data-k=k]").value = model.get("k");
  };
  on("classes only color_by columns measures", whatIsColoured);
  on("filters", whatIsFiltered);
  on("points twin_points twin", whereThingsAre);
  on("embedding twin", whatTheyAreCalled);
  on("selected", whatIsChosen);
  on("sheet thumbs", whatIsOnTheSheet);
  on("lasso", () => { if (model.get("lasso").length < 3) { shared.lasso = { corners: [] }; draw(); } });
  on("picked found twin_found thumbs", whatIsPicked);
  on("looks", () => fill(".dmlnb-look", looksPanel(model)));
  on("stats", () => fill(".dmlnb-selection", selectionPanel(model, images)));
  on("status busy focused", whatIsAtWork);
  on("k", count);
  count();
  images.update();
  whereThingsAre();
  whatTheyAreCalled();
  whatIsColoured();
  whatIsChosen();
  fill(".dmlnb-look", looksPanel(model));
  fill(".dmlnb-selection", selectionPanel(model, images));
  whatIsAtWork();
  theme();
  sheet.load(numbers(model.get("sprite"), Uint8Array)).then(() => { // now there are pictures
    showTip();
    whatIsPicked();
    whatIsOnTheSheet();
  });
  for (const m of [first, second]) { // for tests: where a point is drawn, and if it stays there
    m.canvas.whereIs = (i) => m.toScreen(...m.place(i));
    m.canvas.rests = () => sheet.ready() && m.rests();
  }

  const sizes = new ResizeObserver(() => {
    shared.maps.forEach((m) => m.resize());
    theme();
  });
  stages.forEach((stage) => sizes.observe(stage));
  const themes = new MutationObserver(() => setTimeout(theme, 50));
  for (const e of [document.documentElement, document.body]) themes.observe(e, { attributes: true });
  const night = window.matchMedia("(prefers-color-scheme: dark)");
  night.addEventListener("change", theme);
  return () => {
    night.removeEventListener("change", theme);
    sizes.disconnect();
    themes.disconnect();
    for (const [name, handler] of listeners) model.off(name, handler);
  };
}

export default { render };
