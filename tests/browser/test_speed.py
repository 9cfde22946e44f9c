"""How soon the map is there, and how smoothly it moves under the hand: frames while it is panned, far beyond its edges.

Seconds and frames a second are measured, printed at the end and kept in build/browser, and no test fails for them: they
say how busy the machine was, with the other tests at least. What is tested is that a large map follows the hand and is
drawn while it does.
"""

import json
import time

import pytest
from browser_lab import SCREENSHOTS, Map

pytestmark = pytest.mark.browser

MANY = """
import torch
from dmlnb.explore import EmbeddingExplorer
from dmlnb.course.plots import notebook_setup
notebook_setup(seed=0)
n = {number}
labels = torch.arange(n) % 50
images = torch.randint(0, 256, (n, 1, 16, 16), dtype=torch.uint8)
explorer = EmbeddingExplorer(images, torch.randn(50, 16)[labels] + 0.6 * torch.randn(n, 16), labels)
"""
FIRST = """async () => { // the second cell once more: seconds until the map is drawn
    const old = document.querySelector('.dmlnb-map'), began = performance.now();
    jupyterapp.shell.currentWidget.content.activeCellIndex = 1;
    jupyterapp.commands.execute('notebook:run-cell');
    const drawn = map => map !== old && map.offsetWidth && map.dataset.frames > 0;
    while (![...document.querySelectorAll('.dmlnb-map')].some(drawn)) await new Promise(requestAnimationFrame);
    return (performance.now() - began) / 1000;
}"""
PAN = """async () => {
    const map = document.querySelector('.dmlnb-map');
    const box = map.getBoundingClientRect(), times = [];
    const fire = (type, x, y) => map.dispatchEvent(new PointerEvent(type, {
        pointerId: 1, bubbles: true, cancelable: true, clientX: box.x + x, clientY: box.y + y, button: 0}));
    map.setPointerCapture = () => {};
    const start = +map.dataset.frames, began = performance.now(), [x, y] = map.whereIs(0);
    let furthest = 0;
    fire('pointerdown', 300, 200);
    await new Promise(done => {
        const step = now => { // a circle of 220 pixels, three times: well beyond the margin that is drawn ahead
            times.push(now);
            const t = (now - began) / 1000;
            if (t > 3) return done();
            fire('pointermove', 300 + 220 * Math.sin(2 * Math.PI * t), 200 + 220 * (1 - Math.cos(2 * Math.PI * t)));
            const [nx, ny] = map.whereIs(0);
            furthest = Math.max(furthest, Math.hypot(nx - x, ny - y));
            requestAnimationFrame(step);
        };
        requestAnimationFrame(step);
    });
    fire('pointerup', 300, 200);
    const seconds = (times.at(-1) - times[0]) / 1000, gaps = times.slice(1).map((t, i) => t - times[i]);
    const frames = +map.dataset.frames - start;
    return {frames, furthest, fps: frames / seconds, slowest_ms: Math.max(...gaps)};
}"""


@pytest.mark.parametrize("number", [5000, 50_000])
def test_panning(notebook, number, record_property):
    name = f"many{number}.ipynb"
    notebook.lab.notebook(name, MANY.format(number=number), "explorer")
    notebook.run_all(name)
    began = time.monotonic()
    notebook.execute(MANY.format(number=number))
    making = time.monotonic() - began
    first = notebook.ask(FIRST)
    explorer = Map(notebook)
    whole = notebook.ask(PAN)
    explorer.canvas.focus()
    for _ in range(6):
        notebook.page.keyboard.press("+")
    explorer.rest()
    zoomed = notebook.ask(PAN)
    explorer.rest()
    notebook.shoot(f"speed-{number}")
    found = {
        "points": number,
        "seconds to make": making,
        "seconds to the first picture": first,
        "whole map": whole,
        "zoomed in": zoomed,
    }
    (SCREENSHOTS / f"speed-{number}.json").write_text(json.dumps(found, indent=1))
    record_property(f"{number} points", f"made in {making:.1f} s, drawn {first:.1f} s later; "
                    f"{whole['fps']:.0f} frames a second, zoomed in {zoomed['fps']:.0f}")  # fmt: skip
    for pan in (whole, zoomed):
        assert pan["frames"] > 0 and pan["furthest"] > 50
