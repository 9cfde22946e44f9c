// The browser's half of EmbeddingExplorer: draws points on a canvas and reports what was clicked, lassoed or chosen.
// Everything it knows comes from the model's traits; it loads nothing.

const MARKS = ["●", "■", "▲", "◆", "▼", "✚", "✖", "★"]; // as the markers of the course's figures
const HIT = "#009E73", MISS = "#D55E00", ACCENT = "#E69F00";
const SCALE = ["#440154", "#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#a0da39", "#fde725"];
const GRID = 128, SHADES = 32, GREY = 0, FIRST = 1; // styles: 0 grey, then classes, or hit and miss, or shades
const PICTURES = 60; // with so few points in view, thumbnails are drawn instead

const TEMPLATE = `
<div class="dmlnb-bar" role="toolbar" aria-label="What is shown">
  <span class="dmlnb-group" data-choice="embedding" role="group" aria-label="embedding"></span>
  <span class="dmlnb-group" data-choice="projection" role="group" aria-label="projection"></span>
  <label>colour <select data-k="color_by"></select></label>
  <label>find <input class="dmlnb-find" size="12" placeholder="class or #number" autocomplete="off"></label>
  <label><input type="checkbox" data-k="only"> only coloured classes</label>
</div>
<div class="dmlnb-bar" role="toolbar" aria-label="Selecting">
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
  <span class="dmlnb-legend"></span>
</div>
<div class="dmlnb-body">
  <div class="dmlnb-main">
    <div class="dmlnb-stage">
      <canvas class="dmlnb-map" tabindex="0" role="application"></canvas>
      <div class="dmlnb-tip" role="tooltip" hidden><canvas width="96" height="96"></canvas><div></div></div>
      <div class="dmlnb-status" role="status" aria-live="polite"></div>
    </div>
    <div class="dmlnb-neighbours"></div>
    <div class="dmlnb-contact"></div>
  </div>
  <div class="dmlnb-side">
    <div class="dmlnb-picked" aria-live="polite"></div>
    <button type="button" data-do="rivals" hidden>colour its and its neighbours' classes</button>
    <div class="dmlnb-look"></div>
    <div class="dmlnb-selection" aria-live="polite"></div>
    <button type="button" data-do="sheet" aria-pressed="false" hidden>contact sheet</button>
  </div>
</div>`;

function render({ model, el }) {
  const root = document.createElement("div");
  root.className = "dmlnb-explorer";
  root.setAttribute("data-lm-suppress-shortcuts", "true"); // JupyterLab leaves keys to the widget
  root.innerHTML = TEMPLATE;
  el.appendChild(root);
  const $ = (selector) => root.querySelector(selector);
  const map = $(".dmlnb-map"), stage = $(".dmlnb-stage"), tip = $(".dmlnb-tip");
  const context = map.getContext("2d");
  const cloud = { canvas: document.createElement("canvas"), k: 0, x: 0, y: 0, fresh: false };
  const view = { x: 0, y: 0, k: 1 };
  const listeners = [];
  let points = new Float32Array(0), shown = points, labels, score, style, hidden, chosen, grid;
  let width = 1, height = 1, ratio = 1, dark = false, sprite = null;
  let cursor = -1, drag = null, polygon = [], lassoing = false, moving = 0, animation = null, waiting = false;
  let stamps = new Map(), frames = 0, extent = [2, 2];

  // --- what Python sent -----------------------------------------------------------------------------------------

  function numbers(name, Type) {
    const value = model.get(name);
    if (!value || !value.byteLength) return new Type(0);
    const buffer = value.buffer || value, start = value.byteOffset || 0;
    return new Type(buffer.slice(start, start + value.byteLength));
  }
  function on(name, handler) {
    model.on(`change:${name}`, handler);
    listeners.push([`change:${name}`, handler]);
  }
  function send(name, value) {
    model.set(name, value);
    model.save_changes();
  }

  async function loadSprite() {
    const bytes = numbers("sprite", Uint8Array);
    if (bytes.length) sprite = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }));
    showTip();
    draw();
  }
  function cut(target, i, x, y, side) { // the tile of image i
    const { size, columns } = model.get("tile");
    if (sprite) {
      target.imageSmoothingEnabled = false;
      target.drawImage(sprite, (i % columns) * size, Math.floor(i / columns) * size, size, size, x, y, side, side);
    }
  }

  function restyle() {
    const classes = model.get("classes"), by = model.get("color_by"), n = labels.length;
    score = numbers("score", Float32Array);
    style = new Uint8Array(n);
    hidden = new Uint8Array(n);
    const [low, high] = model.get("score_range"), only = model.get("only");
    const slot = new Map(classes.map((c, j) => [c, j]));
    for (let i = 0; i < n; i++) {
      const place = slot.get(labels[i]);
      if (only && place === undefined) hidden[i] = 1;
      if (by === "class" || score.length !== n) style[i] = place === undefined ? GREY : FIRST + place;
      else if (by === "hit or miss") style[i] = FIRST + (score[i] > 0 ? 0 : 1);
      else if (Number.isNaN(score[i])) style[i] = GREY;
      else style[i] = FIRST + Math.round((SHADES - 1) * Math.min(1, Math.max(0, (score[i] - low) / (high - low))));
    }
    stamps = new Map();
    legend();
    refresh();
  }

  function legend() {
    const by = model.get("color_by"), palette = model.get("palette");
    const box = $(".dmlnb-legend");
    box.replaceChildren();
    const entry = (mark, color, text, c) => {
      const item = document.createElement(c === undefined ? "span" : "button");
      item.className = "dmlnb-chip";
      const glyph = document.createElement("i");
      glyph.textContent = mark;
      glyph.style.color = color;
      item.append(glyph, ` ${text}`);
      if (c !== undefined) {
        item.type = "button";
        item.dataset.class = c;
        item.title = `class ${text}: click to make it grey`;
      }
      box.append(item);
    };
    if (by === "class" || model.get("only")) {
      model.get("classes").forEach((c, j) => entry(by === "class" ? MARKS[j] : "·", by === "class" ? brighter(palette[j]) : "", names.get(c), c));
      if (by === "class" && !model.get("only")) entry("●", faint(), "other classes");
    }
    if (by === "hit or miss") {
      entry("●", HIT, "nearest neighbour is a hit");
      entry("✖", MISS, "is a miss");
    } else if (by !== "class") {
      const [low, high] = model.get("score_range"), bar = document.createElement("span");
      bar.className = "dmlnb-scale";
      bar.style.background = `linear-gradient(90deg, ${shades().join(",")})`;
      box.append(`${by}: ${+low.toPrecision(3)} `, bar, ` ${+high.toPrecision(3)}`);
    }
  }

  function newPoints() {
    const next = numbers("points", Float32Array);
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    animation = points.length === next.length && next.length <= 10000 && !calm
      ? { from: Float32Array.from(shown), start: performance.now() } : null;
    points = next;
    polygon = []; // drawn round other places
    if (!animation) shown = points;
    index();
    showTip();
    refresh();
  }

  function index() { // which points lie in which square of the map, and how far they reach
    const n = points.length / 2, where = new Int32Array(n), most = [0.02, 0.02], k = view.k / homeScale();
    for (let j = 0; j < 2 * n; j++) most[j % 2] = Math.max(most[j % 2], 2 * Math.abs(points[j]));
    extent = most;
    view.k = k * homeScale();
    const starts = new Int32Array(GRID * GRID + 1), ids = new Int32Array(n);
    for (let i = 0; i < n; i++) {
      where[i] = square(points[2 * i + 1]) * GRID + square(points[2 * i]);
      starts[where[i] + 1]++;
    }
    for (let s = 0; s < GRID * GRID; s++) starts[s + 1] += starts[s];
    const next = starts.slice();
    for (let i = 0; i < n; i++) ids[next[where[i]]++] = i;
    grid = { starts, ids };
  }
  function square(v) { return Math.min(GRID - 1, Math.max(0, Math.floor((v + 1) / 2 * GRID))); }

  // --- where things are -----------------------------------------------------------------------------------------

  const toScreen = (x, y) => [(x - view.x) * view.k + width / 2, height / 2 - (y - view.y) * view.k];
  const toMap = (sx, sy) => [(sx - width / 2) / view.k + view.x, (height / 2 - sy) / view.k + view.y];
  const homeScale = () => 0.95 * Math.min(width / extent[0], height / extent[1]);
  const radius = () => {
    const n = labels.length, base = n > 20000 ? 1.5 : n > 5000 ? 2.2 : n > 1500 ? 3 : 4;
    return base * Math.min(2, Math.max(1, Math.sqrt(view.k / homeScale())));
  };

  function nearestPoint(sx, sy, reach) {
    const [x, y] = toMap(sx, sy), far = reach / view.k;
    let best = -1, least = far * far;
    for (let row = square(y - far); row <= square(y + far); row++) {
      for (let column = square(x - far); column <= square(x + far); column++) {
        const s = row * GRID + column;
        for (let j = grid.starts[s]; j < grid.starts[s + 1]; j++) {
          const i = grid.ids[j], d = (points[2 * i] - x) ** 2 + (points[2 * i + 1] - y) ** 2;
          if (d <= least && !hidden[i]) [best, least] = [i, d];
        }
      }
    }
    return best;
  }

  function inView() {
    const found = [], [left, top] = toMap(0, 0), [right, bottom] = toMap(width, height);
    for (let i = 0; i < labels.length && found.length <= PICTURES; i++) {
      const x = shown[2 * i], y = shown[2 * i + 1];
      if (!hidden[i] && x > left && x < right && y < top && y > bottom) found.push(i);
    }
    return found;
  }

  // --- drawing --------------------------------------------------------------------------------------------------

  const faint = () => (dark ? "#6a6a6a" : "#c9c9c9");
  function shades() {
    const stops = dark ? SCALE.slice(2) : SCALE; // the darkest shades cannot be seen on dark ground
    return Array.from({ length: SHADES }, (_, s) => {
      const at = s / (SHADES - 1) * (stops.length - 1), j = Math.min(stops.length - 2, Math.floor(at));
      const mix = (k) => {
        const [a, b] = [stops[j], stops[j + 1]].map((hex) => parseInt(hex.slice(k, k + 2), 16));
        return Math.round(a + (b - a) * (at - j));
      };
      return `rgb(${mix(1)},${mix(3)},${mix(5)})`;
    });
  }
  function look(s) { // mark and colour of a style
    const by = model.get("color_by");
    if (s === GREY) return ["●", faint()];
    if (by === "class") return [MARKS[s - FIRST], brighter(model.get("palette")[s - FIRST])];
    if (by === "hit or miss") return s === FIRST ? ["●", HIT] : ["✖", MISS];
    return ["●", shades()[s - FIRST]];
  }
  function brighter(hex) { // the same hue, lighter, on dark ground
    if (!dark) return hex;
    return `rgb(${[1, 3, 5].map((k) => Math.round(parseInt(hex.slice(k, k + 2), 16) * 0.65 + 255 * 0.35)).join(",")})`;
  }

  function outline(target, mark, x, y, r) {
    const corners = {
      "■": [[-1, -1], [1, -1], [1, 1], [-1, 1]], "▲": [[0, -1.2], [1.1, 0.9], [-1.1, 0.9]],
      "▼": [[0, 1.2], [1.1, -0.9], [-1.1, -0.9]], "◆": [[0, -1.35], [1.2, 0], [0, 1.35], [-1.2, 0]],
      "✚": [[-0.4, -1.2], [0.4, -1.2], [0.4, -0.4], [1.2, -0.4], [1.2, 0.4], [0.4, 0.4], [0.4, 1.2], [-0.4, 1.2], [-0.4, 0.4], [-1.2, 0.4], [-1.2, -0.4], [-0.4, -0.4]],
      "★": Array.from({ length: 10 }, (_, j) => { const a = Math.PI * (j / 5 - 0.5), q = j % 2 ? 0.6 : 1.45; return [q * Math.cos(a), q * Math.sin(a)]; }),
    };
    let shape = corners[mark];
    if (mark === "✖") shape = corners["✚"].map(([a, b]) => [(a - b) * 0.75, (a + b) * 0.75]);
    target.beginPath();
    if (!shape) target.arc(x, y, r, 0, 2 * Math.PI);
    else shape.forEach(([a, b], j) => target[j ? "lineTo" : "moveTo"](x + a * r, y + b * r));
    target.closePath();
  }
  function stamp(s, r) {
    const key = `${s} ${r.toFixed(1)}`;
    if (!stamps.has(key)) {
      const [mark, color] = look(s), half = Math.ceil(1.6 * r + 1), canvas = document.createElement("canvas");
      canvas.width = canvas.height = Math.ceil(2 * half * ratio);
      const target = canvas.getContext("2d");
      target.scale(ratio, ratio);
      outline(target, mark, half, half, s === GREY ? 0.8 * r : r);
      target.fillStyle = color;
      target.fill();
      if (s !== GREY && r > 2) {
        target.lineWidth = 0.6;
        target.strokeStyle = dark ? "rgba(0,0,0,.6)" : "rgba(255,255,255,.8)";
        target.stroke();
      }
      stamps.set(key, { canvas, half });
    }
    return stamps.get(key);
  }

  function drawCloud() { // all points, with half a view of margin on each side, so that panning only moves the picture
    const W = 2 * width, H = 2 * height, r = radius(), n = labels.length;
    cloud.canvas.width = Math.round(W * ratio);
    cloud.canvas.height = Math.round(H * ratio);
    Object.assign(cloud, { k: view.k, x: view.x, y: view.y, fresh: true });
    const target = cloud.canvas.getContext("2d");
    target.scale(ratio, ratio);
    const some = chosen.length > 0, mask = new Uint8Array(n);
    for (const i of chosen) mask[i] = 1;
    const small = r < 1.6;
    const used = [...new Set(style)].sort((a, b) => a - b); // grey below, the colours above
    for (const [part, alpha] of some ? [[0, 0.18], [1, 1]] : [[0, 1]]) {
      target.globalAlpha = alpha;
      for (const s of used) {
        const { canvas, half } = stamp(s, r);
        if (small) target.fillStyle = look(s)[1];
        for (let i = 0; i < n; i++) {
          if (style[i] !== s || hidden[i] || (some && mask[i] !== part)) continue;
          const x = (shown[2 * i] - view.x) * view.k + W / 2, y = H / 2 - (shown[2 * i + 1] - view.y) * view.k;
          if (x < -9 || y < -9 || x > W + 9 || y > H + 9) continue;
          if (small) target.fillRect(x - r, y - r, 2 * r, 2 * r);
          else target.drawImage(canvas, x - half, y - half, 2 * half, 2 * half);
        }
      }
    }
  }

  function covered() { // does the drawn cloud, moved and scaled, still fill the view?
    const s = view.k / cloud.k;
    return s <= 2.5 && s >= 0.5 && Math.abs(cloud.x - view.x) * view.k + width / 2 <= width * s
      && Math.abs(cloud.y - view.y) * view.k + height / 2 <= height * s;
  }

  function ring(i, color, r, thick) {
    const [x, y] = toScreen(shown[2 * i], shown[2 * i + 1]);
    context.beginPath();
    context.arc(x, y, r, 0, 2 * Math.PI);
    context.lineWidth = thick;
    context.strokeStyle = color;
    context.stroke();
  }

  function paint(now) {
    waiting = false;
    if (!width || !labels.length) return;
    if (animation) {
      const at = Math.min(1, (now - animation.start) / 500), eased = at * at * (3 - 2 * at);
      if (at < 1) {
        shown = animation.from.map((v, j) => v + (points[j] - v) * eased);
        cloud.fresh = false;
        draw();
      } else {
        [animation, shown] = [null, points];
        cloud.fresh = false;
      }
    }
    if (!cloud.fresh || !covered() || (cloud.k !== view.k && now > moving)) drawCloud();
    if (now <= moving) draw(); // once more when the zoom rests: sharp, and with pictures
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const s = view.k / cloud.k, [x, y] = toScreen(cloud.x, cloud.y);
    context.imageSmoothingEnabled = true;
    context.drawImage(cloud.canvas, x - width * s, y - height * s, 2 * width * s, 2 * height * s);
    if (!animation && now > moving && (labels.length > PICTURES || view.k > 1.3 * homeScale())) drawPictures();
    drawPick();
    drawLasso();
    map.dataset.frames = ++frames;
  }
  function drawPictures() {
    const found = inView();
    if (found.length > PICTURES) return;
    for (const i of found) {
      const [x, y] = toScreen(shown[2 * i], shown[2 * i + 1]);
      context.fillStyle = look(style[i])[1];
      context.fillRect(x - 18, y - 18, 36, 36);
      cut(context, i, x - 16, y - 16, 32);
    }
  }
  function drawPick() {
    const picked = model.get("picked"), ink = dark ? "#ffffff" : "#222222";
    if (picked >= 0) {
      const [x, y] = toScreen(shown[2 * picked], shown[2 * picked + 1]), hits = model.get("hits");
      model.get("neighbours").forEach((i, rank) => {
        const [a, b] = toScreen(shown[2 * i], shown[2 * i + 1]);
        context.beginPath();
        context.setLineDash(hits[rank] ? [] : [4, 3]);
        context.moveTo(x, y);
        context.lineTo(a, b);
        context.lineWidth = 1.3;
        context.strokeStyle = hits[rank] ? HIT : MISS;
        context.stroke();
        context.setLineDash([]);
        ring(i, hits[rank] ? HIT : MISS, 7, 2);
      });
      ring(picked, ink, 10, 3);
      ring(picked, ACCENT, 10, 1.5);
    }
    if (cursor >= 0) ring(cursor, ink, 7, 2);
  }
  function drawLasso() {
    if (polygon.length < 2) return;
    context.beginPath();
    polygon.forEach(([x, y], j) => context[j ? "lineTo" : "moveTo"](...toScreen(x, y)));
    context.closePath();
    context.fillStyle = "rgba(230,159,0,.15)";
    context.fill();
    context.lineWidth = 1.5;
    context.strokeStyle = ACCENT;
    context.stroke();
  }
  function draw() {
    if (!waiting) {
      waiting = true;
      requestAnimationFrame(paint);
    }
  }
  function refresh() {
    cloud.fresh = false;
    draw();
  }

  // --- the look of the page ---------------------------------------------------------------------------------------

  function theme() { // dark or light, from the ground that the widget really stands on
    let ground = null;
    for (let e = root.parentElement; e && !ground; e = e.parentElement) {
      const found = getComputedStyle(e).backgroundColor.match(/[\d.]+/g);
      if (found && (found.length < 4 || +found[3] > 0.5)) ground = found.map(Number);
    }
    const next = ground ? 0.3 * ground[0] + 0.6 * ground[1] + 0.1 * ground[2] < 110 : false;
    root.classList.toggle("dmlnb-dark", next);
    if (next !== dark) {
      dark = next;
      if (labels) restyle();
    }
  }
  function resize() {
    const box = stage.getBoundingClientRect(), first = width <= 1;
    if (box.width < 2) return;
    const k = view.k / homeScale();
    [width, height, ratio] = [box.width, box.height, window.devicePixelRatio || 1];
    map.width = Math.round(width * ratio);
    map.height = Math.round(height * ratio);
    view.k = homeScale() * (first ? 1 : k);
    stamps = new Map();
    theme();
    refresh();
  }

  function showTip() {
    tip.hidden = cursor < 0;
    if (cursor < 0) return;
    const name = names.get(labels[cursor]), by = model.get("color_by");
    let words = `class ${name}\nimage ${cursor}`;
    const scored = by !== "class" && score.length === labels.length; // they may still be on their way
    if (scored && by === "hit or miss") words += score[cursor] > 0 ? "\nhit" : "\nmiss";
    else if (scored) words += `\n${by} ${Number.isNaN(score[cursor]) ? "–" : +score[cursor].toPrecision(3)}`;
    tip.lastElementChild.textContent = words;
    tip.dataset.index = cursor;
    const picture = tip.firstElementChild.getContext("2d");
    picture.clearRect(0, 0, 96, 96);
    cut(picture, cursor, 0, 0, 96);
    const [x, y] = toScreen(points[2 * cursor], points[2 * cursor + 1]);
    const right = x + 16 + tip.offsetWidth > width ? x - 16 - tip.offsetWidth : x + 16;
    tip.style.left = `${Math.max(2, right)}px`;
    tip.style.top = `${Math.max(2, Math.min(height - tip.offsetHeight - 2, y - tip.offsetHeight / 2))}px`;
  }
  function hover(i) {
    if (i !== cursor) {
      cursor = i;
      showTip();
      draw();
    }
  }
  function say(text) { $(".dmlnb-status").textContent = text; }

  // --- what the reader does ---------------------------------------------------------------------------------------

  function zoom(factor, sx = width / 2, sy = height / 2) {
    const [x, y] = toMap(sx, sy), home = homeScale();
    view.k = Math.min(200 * home, Math.max(0.5 * home, view.k * factor));
    const [nx, ny] = toMap(sx, sy);
    view.x += x - nx;
    view.y += y - ny;
    moving = performance.now() + 120;
    showTip();
    draw();
  }
  function pan(dx, dy) {
    view.x -= dx / view.k;
    view.y += dy / view.k;
    draw();
  }
  function home() {
    Object.assign(view, { x: 0, y: 0, k: homeScale() });
    refresh();
  }
  function place(event) {
    const box = map.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }
  function enclose(corners) {
    const step = Math.max(1, Math.ceil(corners.length / 200)); // a polygon travels, not the points in it
    const sent = corners.filter((_, j) => j % step === 0).map((c) => c.map((v) => +v.toFixed(5)));
    sent[0][0] += 1e-6 * Math.random(); // the same polygon again is a change too
    send("lasso", sent);
  }

  map.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    const [x, y] = place(event);
    map.setPointerCapture(event.pointerId);
    map.focus({ preventScroll: true });
    drag = { x, y, far: 0, lasso: lassoing || event.shiftKey };
    if (drag.lasso) polygon = [toMap(x, y)];
    event.preventDefault();
  });
  map.addEventListener("pointermove", (event) => {
    const [x, y] = place(event);
    if (!drag) {
      hover(nearestPoint(x, y, 12));
      return;
    }
    drag.far = Math.max(drag.far, Math.hypot(x - drag.x, y - drag.y));
    if (drag.lasso) {
      hover(-1);
      polygon.push(toMap(x, y));
      draw();
    } else if (drag.far > 3) {
      hover(-1);
      pan(event.movementX === undefined ? 0 : x - (drag.lastX ?? drag.x), y - (drag.lastY ?? drag.y));
      [drag.lastX, drag.lastY] = [x, y];
    }
  });
  map.addEventListener("pointerup", (event) => {
    if (!drag) return;
    const [x, y] = place(event), was = drag;
    drag = null;
    if (was.lasso && was.far > 3) {
      enclose(polygon);
    } else if (was.far <= 3) {
      polygon = [];
      const i = nearestPoint(x, y, 12);
      if (i >= 0) send("picked", i);
    }
    draw();
  });
  map.addEventListener("pointercancel", () => {
    drag = null;
    polygon = [];
    draw();
  });
  map.addEventListener("pointerleave", () => { if (!drag) hover(-1); });
  map.addEventListener("dblclick", (event) => zoom(2, ...place(event)));
  map.addEventListener("wheel", (event) => { // a page scrolls past the map; a map that was clicked zooms
    if (!event.ctrlKey && !event.metaKey && document.activeElement !== map) return;
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...place(event));
  }, { passive: false });

  function step(dx, dy) { // to the nearest point in this direction, within a quadrant
    const from = cursor >= 0 ? cursor : model.get("picked");
    if (from < 0) return hover(nearestPoint(width / 2, height / 2, 1e5));
    let best = -1, least = Infinity;
    for (let i = 0; i < labels.length; i++) {
      const x = points[2 * i] - points[2 * from], y = points[2 * i + 1] - points[2 * from + 1];
      const along = x * dx + y * dy, across = Math.abs(x * dy) + Math.abs(y * dx);
      if (i === from || hidden[i] || along <= 0 || across > along) continue;
      if (along + across < least) [best, least] = [i, along + across];
    }
    if (best < 0) return;
    const [sx, sy] = toScreen(points[2 * best], points[2 * best + 1]);
    if (sx < 0 || sy < 0 || sx > width || sy > height) Object.assign(view, { x: points[2 * best], y: points[2 * best + 1] });
    hover(best);
    say(`image ${best}, class ${names.get(labels[best])}`);
  }
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  root.addEventListener("keydown", (event) => {
    event.stopPropagation(); // the notebook has keys of its own
    if (event.target !== map || event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = ARROWS[event.key];
    if (arrow && event.shiftKey) pan(-40 * arrow[0], 40 * arrow[1]);
    else if (arrow) step(...arrow);
    else if (event.key === "Enter" || event.key === " ") { if (cursor >= 0) send("picked", cursor); }
    else if (event.key === "+" || event.key === "=") zoom(1.4);
    else if (event.key === "-") zoom(1 / 1.4);
    else if (event.key === "0") home();
    else if (event.key === "v" || event.key === "V") actions.view();
    else if (event.key === "Escape") actions.clear();
    else return;
    event.preventDefault();
  });

  const actions = {
    lasso: (button) => {
      lassoing = !lassoing;
      button.setAttribute("aria-pressed", lassoing);
      map.classList.toggle("dmlnb-lassoing", lassoing);
    },
    view: () => {
      polygon = [];
      enclose([toMap(0, 0), toMap(width, 0), toMap(width, height), toMap(0, height)]);
    },
    clear: () => {
      polygon = [];
      hover(-1);
      say("");
      model.set("picked", -1);
      model.set("sheet", false);
      send("lasso", [[Math.random(), 0]]); // encloses nothing, and is a change even where no lasso was drawn
      refresh();
    },
    in: () => zoom(1.4),
    out: () => zoom(1 / 1.4),
    home,
    sheet: () => send("sheet", !model.get("sheet")),
    rivals: () => {
      const near = [model.get("picked"), ...model.get("neighbours")].map((i) => labels[i]);
      send("classes", [...new Set(near)].slice(0, MARKS.length));
    },
  };
  root.addEventListener("click", (event) => {
    const tile = event.target.closest("[data-index]"), chip = event.target.closest("[data-class]");
    const action = event.target.closest("[data-do]"), choice = event.target.closest("[data-value]");
    if (tile && tile !== tip) send("picked", +tile.dataset.index);
    else if (chip) send("classes", model.get("classes").filter((c) => c !== +chip.dataset.class));
    else if (action) actions[action.dataset.do](action);
    else if (choice) send(choice.parentElement.dataset.choice, choice.dataset.value);
  });
  $("[data-k=color_by]").addEventListener("change", (event) => send("color_by", event.target.value));
  $("[data-k=only]").addEventListener("change", (event) => send("only", event.target.checked));
  const find = $(".dmlnb-find");
  find.addEventListener("change", () => {
    const text = find.value.trim(), entries = [...names], start = text.toLowerCase();
    if (!text) return;
    const number = text.match(/^#(\d+)$/);
    const found = entries.find(([, name]) => name.trim() === text)
      ?? entries.find(([, name]) => name.trim().toLowerCase().startsWith(start));
    const c = found?.[0];
    if (number && +number[1] < labels.length) send("picked", +number[1]);
    else if (found) send("classes", [c, ...model.get("classes").filter((d) => d !== c)].slice(0, MARKS.length));
    else return say(`nothing is called ${text}`);
    find.value = "";
    say("");
  });

  // --- from traits to the page ------------------------------------------------------------------------------------

  function choices(name, options) {
    const box = $(`[data-choice=${name}]`);
    box.replaceChildren(...model.get(options).map((value) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.value = button.textContent = value;
      return button;
    }));
    const mark = () => {
      root.dataset[name] = model.get(name);
      for (const b of box.children) b.setAttribute("aria-pressed", b.dataset.value === model.get(name));
    };
    on(name, mark);
    mark();
  }
  function markup(name, selector, after = () => {}) {
    const fill = () => {
      $(selector).innerHTML = model.get(name); // made and escaped by rows.py
      after();
    };
    on(name, fill);
    fill();
  }
  function whatIsChosen() {
    chosen = numbers("selected", Uint32Array);
    root.dataset.selected = chosen.length;
    $("[data-do=sheet]").hidden = chosen.length === 0;
    refresh();
  }
  function whatIsPicked() {
    root.dataset.picked = model.get("picked");
    $("[data-do=rivals]").hidden = model.get("picked") < 0;
    draw();
  }

  labels = numbers("labels", Float64Array);
  const classNames = model.get("class_names"), names = new Map(model.get("class_labels").map((c, j) => [c, classNames[j]]));
  chosen = new Uint32Array(0);
  map.setAttribute("aria-label", `Map of ${labels.length} images. Arrow keys go from point to point, Enter picks one; `
    + "Shift with arrows moves the map, plus and minus zoom, 0 shows all, V selects what is in view, Escape clears.");
  choices("embedding", "embeddings");
  choices("projection", "projections");
  $("[data-k=color_by]").replaceChildren(...model.get("colorings").map((name) => new Option(name, name)));
  const known = document.createElement("datalist");
  known.id = `dmlnb-${Math.random().toString(36).slice(2)}`;
  known.replaceChildren(...classNames.slice(0, 2000).map((name) => new Option(name)));
  root.append(known);
  find.setAttribute("list", known.id);
  const follow = () => {
    $("[data-k=color_by]").value = model.get("color_by");
    $("[data-k=only]").checked = model.get("only");
    root.dataset.colorBy = model.get("color_by");
    restyle();
  };
  for (const name of ["classes", "only", "color_by", "score", "score_range"]) on(name, follow);
  on("points", newPoints);
  on("selected", whatIsChosen);
  on("lasso", () => { if (model.get("lasso").length < 3) { polygon = []; draw(); } });
  on("sheet", () => $("[data-do=sheet]").setAttribute("aria-pressed", model.get("sheet")));
  for (const name of ["picked", "neighbours", "hits"]) on(name, whatIsPicked);
  on("status", () => say(model.get("status")));
  markup("picked_html", ".dmlnb-picked");
  markup("row_html", ".dmlnb-neighbours");
  markup("look_html", ".dmlnb-look");
  markup("selection_html", ".dmlnb-selection");
  markup("sheet_html", ".dmlnb-contact");
  newPoints();
  follow();
  whatIsChosen();
  whatIsPicked();
  theme();
  loadSprite();
  map.whereIs = (i) => toScreen(points[2 * i], points[2 * i + 1]); // for tests: where a point is drawn,
  map.rests = () => Boolean(sprite) && !animation && !waiting && performance.now() > moving; // and if it stays there

  const sizes = new ResizeObserver(resize);
  sizes.observe(stage);
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
