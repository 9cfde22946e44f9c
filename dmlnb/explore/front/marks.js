// Colours, marks and stamps: how one point looks.

export const MARKS = ["●", "■", "▲", "◆", "▼", "✚", "✖", "★"]; // as the markers of the course's figures
export const GOOD = "#009E73", BAD = "#D55E00", ACCENT = "#E69F00";
export const SHADES = 32, GREY = 0, FIRST = 1; // styles: 0 grey, then classes, or hit and miss, or shades
const SCALE = ["#440154", "#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#a0da39", "#fde725"];
const CROSS = [[-0.4, -1.2], [0.4, -1.2], [0.4, -0.4], [1.2, -0.4], [1.2, 0.4], [0.4, 0.4], [0.4, 1.2], [-0.4, 1.2],
  [-0.4, 0.4], [-1.2, 0.4], [-1.2, -0.4], [-0.4, -0.4]];
const CORNERS = {
  "■": [[-1, -1], [1, -1], [1, 1], [-1, 1]],
  "▲": [[0, -1.2], [1.1, 0.9], [-1.1, 0.9]],
  "▼": [[0, 1.2], [1.1, -0.9], [-1.1, -0.9]],
  "◆": [[0, -1.35], [1.2, 0], [0, 1.35], [-1.2, 0]],
  "✚": CROSS,
  "✖": CROSS.map(([a, b]) => [(a - b) * 0.75, (a + b) * 0.75]),
  "★": Array.from({ length: 10 }, (_, j) => {
    const angle = Math.PI * (j / 5 - 0.5), reach = j % 2 ? 0.6 : 1.45;
    return [reach * Math.cos(angle), reach * Math.sin(angle)];
  }),
};

const channels = (hex) => [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));
export const faint = (dark) => (dark ? "#6a6a6a" : "#c9c9c9");

export function brighter(hex, dark) { // the same hue, lighter, on dark ground
  return dark ? `rgb(${channels(hex).map((v) => Math.round(v * 0.65 + 255 * 0.35)).join(",")})` : hex;
}

export function shades(dark) { // of numbers, small to large; the darkest cannot be seen on dark ground
  const stops = (dark ? SCALE.slice(2) : SCALE).map(channels);
  return Array.from({ length: SHADES }, (_, s) => {
    const at = s / (SHADES - 1) * (stops.length - 1), j = Math.min(stops.length - 2, Math.floor(at));
    return `rgb(${stops[j].map((a, c) => Math.round(a + (stops[j + 1][c] - a) * (at - j))).join(",")})`;
  });
}

function outline(target, mark, x, y, r) {
  target.beginPath();
  if (!CORNERS[mark]) target.arc(x, y, r, 0, 2 * Math.PI);
  else CORNERS[mark].forEach(([a, b], j) => target[j ? "lineTo" : "moveTo"](x + a * r, y + b * r));
  target.closePath();
}

export function stamp([mark, color], r, ratio, dark, edge) { // one mark, drawn once and then copied to every point
  const half = Math.ceil(1.6 * r + 1), canvas = document.createElement("canvas");
  canvas.width = canvas.height = Math.ceil(2 * half * ratio);
  const target = canvas.getContext("2d");
  target.scale(ratio, ratio);
  outline(target, mark, half, half, r);
  target.fillStyle = color;
  target.fill();
  if (edge) {
    target.lineWidth = 0.6;
    target.strokeStyle = dark ? "rgba(0,0,0,.6)" : "rgba(255,255,255,.8)";
    target.stroke();
  }
  return { canvas, half };
}

// the pixels of a stamp, as steps in a picture `columns` wide: solid ones cover what is below, soft ones are its edge
export function dots({ canvas, half }, alpha, columns) {
  const side = canvas.width, { data } = canvas.getContext("2d").getImageData(0, 0, side, side), solid = [], soft = [];
  for (let j = 0; j < side * side; j++) {
    const [red, green, blue, opacity] = data.subarray(4 * j, 4 * j + 4);
    const color = new Uint32Array(Uint8Array.of(red, green, blue, Math.round(alpha * opacity)).buffer)[0];
    if (opacity > 25) (opacity > 127 ? solid : soft).push([Math.floor(j / side) * columns + j % side, color]);
  }
  const split = (pairs) => ({ at: Int32Array.from(pairs, ([at]) => at), color: Uint32Array.from(pairs, ([, color]) => color) });
  return { half, side, solid: split(solid), soft: split(soft) };
}
