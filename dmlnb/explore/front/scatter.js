// One map on one canvas: where the points are, which is under the hand, and how all of it is drawn.
import { ACCENT, BAD, GOOD, GREY, dots, stamp } from "./marks.js";

const GRID = 128; // squares a side, to find the nearest point
const FEW = 3000; // points: so many are drawn one by one, more of them as pixels
const PICTURES = 60; // with so few points in view, thumbnails are drawn instead

// `shared` is what two maps have in common: { model, images, view, sheet, cursor, moving, lasso, moves, maps, home }
export function makeScatter(canvas, shared, found) { // `found` names the trait that holds its neighbours
  const context = canvas.getContext("2d"), { model, images, view } = shared, n = images.n;
  const cloud = { canvas: document.createElement("canvas"), k: 0, x: 0, y: 0, fresh: false };
  let points = new Float32Array(0), shown = points, grid = null, extent = [2, 2];
  let width = 1, height = 1, ratio = 1, animation = null, waiting = false, stamps = new Map(), frames = 0;

  // --- where things are -----------------------------------------------------------------------------------------

  const toScreen = (x, y) => [(x - view.x) * view.k + width / 2, height / 2 - (y - view.y) * view.k];
  const toMap = (sx, sy) => [(sx - width / 2) / view.k + view.x, (height / 2 - sy) / view.k + view.y];
  const at = (i) => toScreen(shown[2 * i], shown[2 * i + 1]);
  const fit = () => 0.95 * Math.min(width / extent[0], height / extent[1]); // pixels a unit that show the whole map
  const square = (v) => Math.min(GRID - 1, Math.max(0, Math.floor((v + 1) / 2 * GRID)));
  const radius = () => {
    const base = n > 20000 ? 1.5 : n > 5000 ? 2.2 : n > 1500 ? 3 : 4;
    return base * Math.min(2, Math.max(1, Math.sqrt(view.k / shared.home())));
  };

  function setPoints(next) { // x and y in turn; NaN where an image is not on this map
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    animation = points.length === next.length && n <= 10000 && !calm
      ? { from: Float32Array.from(shown), start: performance.now() } : null;
    points = next;
    if (!animation) shown = points;
    shared.keepScale(index);
    refresh();
  }
  function index() { // which points lie in which square of the map, and how far they reach
    const where = new Int32Array(points.length / 2), ids = new Int32Array(where.length);
    extent = [0.02, 0.02];
    for (let j = 0; j < points.length; j++) if (2 * Math.abs(points[j]) > extent[j % 2]) extent[j % 2] = 2 * Math.abs(points[j]);
    const starts = new Int32Array(GRID * GRID + 1);
    for (let i = 0; i < where.length; i++) {
      where[i] = square(points[2 * i + 1]) * GRID + square(points[2 * i]);
      starts[where[i] + 1]++;
    }
    for (let s = 0; s < GRID * GRID; s++) starts[s + 1] += starts[s];
    const next = starts.slice();
    for (let i = 0; i < where.length; i++) ids[next[where[i]]++] = i;
    grid = { starts, ids };
  }
  function nearest(sx, sy, reach) { // the visible point within `reach` pixels, -1 for none
    const [x, y] = toMap(sx, sy), far = reach / view.k;
    let best = -1, least = far * far;
    for (let row = square(y - far); row <= square(y + far); row++) {
      for (let column = square(x - far); column <= square(x + far); column++) {
        const s = row * GRID + column;
        for (let j = grid.starts[s]; j < grid.starts[s + 1]; j++) {
          const i = grid.ids[j], d = (points[2 * i] - x) ** 2 + (points[2 * i + 1] - y) ** 2;
          if (d <= least && !images.hidden[i]) [best, least] = [i, d];
        }
      }
    }
    return best;
  }
  function beside(from, dx, dy) { // the nearest point in this direction, within a quadrant
    let best = -1, least = Infinity;
    for (let i = 0; i < n; i++) {
      const x = points[2 * i] - points[2 * from], y = points[2 * i + 1] - points[2 * from + 1];
      const along = x * dx + y * dy, across = Math.abs(x * dy) + Math.abs(y * dx);
      if (i !== from && !images.hidden[i] && along > 0 && across <= along && along + across < least) {
        [best, least] = [i, along + across];
      }
    }
    return best;
  }
  function inView() {
    const found = [], [left, top] = toMap(0, 0), [right, bottom] = toMap(width, height);
    for (let i = 0; i < n && found.length <= PICTURES; i++) {
      const x = shown[2 * i], y = shown[2 * i + 1];
      if (!images.hidden[i] && x > left && x < right && y < top && y > bottom) found.push(i);
    }
    return found;
  }

  // --- drawing --------------------------------------------------------------------------------------------------

  function stampOf(s, r) {
    const key = `${s} ${r.toFixed(1)}`;
    if (!stamps.has(key)) {
      stamps.set(key, stamp(images.look(s), s === GREY ? 0.8 * r : r, ratio, images.dark, s !== GREY && r > 2));
    }
    return stamps.get(key);
  }
  function drawCloud() { // all points, with half a view of margin on each side, so that panning only moves the picture
    const W = 2 * width, H = 2 * height, r = radius(), { style, hidden } = images;
    cloud.canvas.width = Math.round(W * ratio);
    cloud.canvas.height = Math.round(H * ratio);
    Object.assign(cloud, { k: view.k, x: view.x, y: view.y, fresh: true });
    const target = cloud.canvas.getContext("2d"), some = shared.chosen.length > 0, mask = new Uint8Array(n);
    for (const i of shared.chosen) mask[i] = 1;
    const used = [...new Set(style)].sort((a, b) => a - b); // grey below, the colours above
    const layers = (some ? [[0, 0.18], [1, 1]] : [[0, 1]]).flatMap(([part, alpha]) => used.map((s) => [s, part, alpha]));
    const put = n > FEW ? pixelsOn(target, r) : stampsOn(target, r);
    for (const [s, part, alpha] of layers) {
      const mark = put.layer(s, alpha);
      for (let i = 0; i < n; i++) {
        if (style[i] !== s || hidden[i] || mask[i] !== part) continue;
        const x = (shown[2 * i] - view.x) * view.k + W / 2, y = H / 2 - (shown[2 * i + 1] - view.y) * view.k;
        if (x > -9 && y > -9 && x < W + 9 && y < H + 9) put.point(x, y, mark);
      }
    }
    put.done();
  }
  function stampsOn(target, r) { // marks, copied one by one
    target.scale(ratio, ratio);
    return {
      layer(s, alpha) {
        target.globalAlpha = alpha;
        return stampOf(s, r);
      },
      point: (x, y, { canvas: mark, half }) => target.drawImage(mark, x - half, y - half, 2 * half, 2 * half),
      done() {},
    };
  }
  function pixelsOn(target, r) { // the same for thousands, ten times as fast: pixels, written directly
    const { width: W, height: H } = target.canvas, image = target.createImageData(W, H), pixels = new Uint32Array(image.data.buffer);
    return {
      layer: (s, alpha) => dots(stampOf(s, r), alpha, W),
      point(x, y, { half, side, solid, soft }) {
        const left = Math.round((x - half) * ratio), top = Math.round((y - half) * ratio), start = top * W + left;
        if (left < 0 || top < 0 || left + side > W || top + side > H) return; // it is far out of sight
        for (let j = 0; j < solid.at.length; j++) pixels[start + solid.at[j]] = solid.color[j];
        for (let j = 0; j < soft.at.length; j++) if (!pixels[start + soft.at[j]]) pixels[start + soft.at[j]] = soft.color[j];
      },
      done: () => target.putImageData(image, 0, 0),
    };
  }
  function covered() { // does the drawn cloud, moved and scaled, still fill the view?
    const s = view.k / cloud.k;
    return s <= 2.5 && s >= 0.5 && Math.abs(cloud.x - view.x) * view.k + width / 2 <= width * s
      && Math.abs(cloud.y - view.y) * view.k + height / 2 <= height * s;
  }
  function paint(now) {
    waiting = false;
    if (width <= 1 || points.length !== 2 * n) return;
    if (animation) {
      const done = Math.min(1, (now - animation.start) / 500), eased = done * done * (3 - 2 * done);
      cloud.fresh = false;
      if (done < 1) {
        shown = animation.from.map((v, j) => (Number.isNaN(v) ? points[j] : v + (points[j] - v) * eased));
        draw();
      } else {
        [animation, shown] = [null, points];
      }
    }
    if (!cloud.fresh || !covered() || (cloud.k !== view.k && now > shared.moving)) drawCloud();
    if (now <= shared.moving) draw(); // once more when the zoom rests: sharp, and with pictures
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const s = view.k / cloud.k, [x, y] = toScreen(cloud.x, cloud.y);
    context.imageSmoothingEnabled = true;
    context.drawImage(cloud.canvas, x - width * s, y - height * s, 2 * width * s, 2 * height * s);
    drawMoves();
    if (!animation && now > shared.moving && (n > PICTURES || view.k > 1.3 * shared.home())) drawPictures();
    drawPick();
    drawLasso();
    canvas.dataset.frames = ++frames;
  }
  function line(from, to, color, thick, dash = []) {
    context.beginPath();
    context.setLineDash(dash);
    context.moveTo(...from);
    context.lineTo(...to);
    context.lineWidth = thick;
    context.strokeStyle = color;
    context.stroke();
    context.setLineDash([]);
  }
  function ring([x, y], color, r, thick) {
    context.beginPath();
    context.arc(x, y, r, 0, 2 * Math.PI);
    context.lineWidth = thick;
    context.strokeStyle = color;
    context.stroke();
  }
  function drawMoves() { // from where a point lies on the other map to where it lies here
    const other = shared.maps.find((m) => m !== scatter);
    if (!other || animation) return;
    for (const i of shared.moves) {
      const from = toScreen(...other.place(i)), ink = images.dark ? "#f0f0f0" : "#222222";
      line(from, at(i), ink, 1.2);
      ring(at(i), ink, 4, 1.5);
    }
  }
  function drawPictures() {
    const found = inView();
    if (found.length > PICTURES) return;
    for (const i of found) {
      const [x, y] = at(i);
      context.fillStyle = images.look(images.style[i])[1];
      context.fillRect(x - 18, y - 18, 36, 36);
      shared.sheet.cut(context, i, x - 16, y - 16, 32);
    }
  }
  function drawPick() {
    const picked = model.get("picked"), ink = images.dark ? "#ffffff" : "#222222", { index = [], hit } = model.get(found);
    if (picked >= 0) {
      index.forEach((i, rank) => {
        const color = hit[rank] ? GOOD : BAD;
        line(at(picked), at(i), color, 1.3, hit[rank] ? [] : [4, 3]);
        ring(at(i), color, 7, 2);
      });
      ring(at(picked), ink, 10, 3);
      ring(at(picked), ACCENT, 10, 1.5);
    }
    if (shared.cursor >= 0) ring(at(shared.cursor), ink, 7, 2);
  }
  function drawLasso() {
    const { corners, on } = shared.lasso;
    if (corners.length < 2 || on !== scatter) return;
    context.beginPath();
    corners.forEach(([x, y], j) => context[j ? "lineTo" : "moveTo"](...toScreen(x, y)));
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
  function refresh() { // draw all points anew
    cloud.fresh = false;
    stamps = new Map();
    draw();
  }
  function resize() {
    const box = canvas.parentElement.getBoundingClientRect();
    if (box.width < 2) return;
    shared.keepScale(() => {
      [width, height, ratio] = [box.width, box.height, window.devicePixelRatio || 1];
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    });
    refresh();
  }

  const scatter = {
    canvas, setPoints, nearest, beside, toMap, toScreen, fit, draw, refresh, resize, size: () => [width, height],
    place: (i) => [points[2 * i], points[2 * i + 1]],
    rests: () => !animation && !waiting && performance.now() > shared.moving,
  };
  return scatter;
}
