// What a hand does on a map: point, click, drag, draw a lasso, turn the wheel.

// `reader` takes what is meant: { hover, pick, pan, zoom, enclose, lassoing }
export function attachHand(scatter, shared, reader) {
  const { canvas } = scatter;
  let drag = null;
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    const [x, y] = place(event);
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({ preventScroll: true });
    drag = { x, y, last: [x, y], far: 0, lasso: reader.lassoing() || event.shiftKey };
    if (drag.lasso) shared.lasso = { corners: [scatter.toMap(x, y)], on: scatter };
    event.preventDefault();
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = place(event);
    if (!drag) return reader.hover(scatter.nearest(x, y, 12), scatter);
    drag.far = Math.max(drag.far, Math.hypot(x - drag.x, y - drag.y));
    if (!drag.lasso && drag.far <= 3) return;
    reader.hover(-1);
    if (drag.lasso) {
      shared.lasso.corners.push(scatter.toMap(x, y));
      scatter.draw();
    } else {
      reader.pan(x - drag.last[0], y - drag.last[1]);
      drag.last = [x, y];
    }
  });
  canvas.addEventListener("pointerup", (event) => {
    if (!drag) return;
    const [x, y] = place(event), was = drag;
    drag = null;
    if (was.lasso && was.far > 3) {
      reader.enclose(shared.lasso.corners, scatter);
    } else if (was.far <= 3) {
      shared.lasso = { corners: [] };
      const i = scatter.nearest(x, y, 12);
      if (i >= 0) reader.pick(i);
    }
    scatter.draw();
  });
  canvas.addEventListener("pointercancel", () => {
    drag = null;
    shared.lasso = { corners: [] };
    scatter.draw();
  });
  canvas.addEventListener("pointerleave", () => { if (!drag) reader.hover(-1); });
  canvas.addEventListener("dblclick", (event) => reader.zoom(2, scatter, ...place(event)));
  canvas.addEventListener("wheel", (event) => { // a page scrolls past the map; a map that was clicked zooms
    if (!event.ctrlKey && !event.metaKey && document.activeElement !== canvas) return;
    event.preventDefault();
    reader.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), scatter, ...place(event));
  }, { passive: false });
}
