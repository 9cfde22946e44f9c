"""How smoothly the map moves under the hand: frames drawn while it is panned, far enough to be drawn anew."""

import json

import pytest
from browser_lab import SCREENSHOTS

pytestmark = pytest.mark.browser

MANY = """
import torch
from dmlnb.explore import EmbeddingExplorer
from dmlnb.plots import notebook_setup
notebook_setup(seed=0)
n = {number}
labels = torch.arange(n) % 50
images = torch.randint(0, 256, (n, 1, 16, 16), dtype=torch.uint8)
explorer = EmbeddingExplorer(images, torch.randn(50, 16)[labels] + 0.6 * torch.randn(n, 16), labels)
"""
PAN = """async (map) => {
    const box = map.getBoundingClientRect(), times = [];
    const fire = (type, x, y) => map.dispatchEvent(new PointerEvent(type, {
        pointerId: 1, bubbles: true, cancelable: true, clientX: box.x + x, clientY: box.y + y, button: 0}));
    map.setPointerCapture = () => {};
    const start = +map.dataset.frames, began = performance.now();
    fire('pointerdown', 300, 200);
    await new Promise(done => {
        const step = now => { // a circle of 220 pixels, three times: well beyond the margin that is drawn ahead
            times.push(now);
            const t = (now - began) / 1000;
            if (t > 3) return done();
            fire('pointermove', 300 + 220 * Math.sin(2 * Math.PI * t), 200 + 220 * (1 - Math.cos(2 * Math.PI * t)));
            requestAnimationFrame(step);
        };
        requestAnimationFrame(step);
    });
    fire('pointerup', 300, 200);
    const seconds = (times.at(-1) - times[0]) / 1000, gaps = times.slice(1).map((t, i) => t - times[i]);
    return {fps: (+map.dataset.frames - start) / seconds, slowest_ms: Math.max(...gaps)};
}"""


@pytest.mark.parametrize("number, least", [(5000, 30), (50_000, 8)])
def test_panning(notebook, number, least):
    name = f"many{number}.ipynb"
    notebook.lab.notebook(name, MANY.format(number=number), "explorer")
    notebook.run_all(name)
    map_ = notebook.page.locator(".dmlnb-map")
    map_.wait_for()
    map_.scroll_into_view_if_needed()
    notebook.page.wait_for_timeout(2000)
    whole, zoomed = map_.evaluate(PAN), None
    map_.focus()
    for _ in range(6):
        notebook.page.keyboard.press("+")
    notebook.page.wait_for_timeout(500)
    zoomed = map_.evaluate(PAN)
    notebook.shoot(f"speed-{number}")
    found = {"points": number, "whole map": whole, "zoomed in": zoomed}
    (SCREENSHOTS / f"speed-{number}.json").write_text(json.dumps(found, indent=1))
    print(found)
    assert min(whole["fps"], zoomed["fps"]) >= least, found
