"""Record the explorer at work as notebooks/explorer.gif: pick an image, lay a second map beside it, colour misses.

    .venv/bin/python scripts/record_explorer.py

The page is the one of the website (`build_site.explorer_alive`): letters of unseen scripts, and the two networks of
notebook 08. With `--train` they are trained first, and what they say of the letters is stored in docs/letters.npz.
Needs playwright and a Chromium, as the browser tests do.
"""

import io
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from build_site import explorer_alive
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
SIZE, COLOURS = (1000, 660), 64
WHERE = "(map, i) => { const b = map.getBoundingClientRect(), [x, y] = map.whereIs(i); return [b.x + x, b.y + y]; }"


def record(page) -> list[tuple[Image.Image, int]]:
    """`(picture, milliseconds)` of a short visit."""
    frames: list[tuple[Image.Image, int]] = []

    def shot(milliseconds: int) -> None:
        page.wait_for_timeout(350)
        frames.append((Image.open(io.BytesIO(page.screenshot())).convert("RGB"), milliseconds))

    map_ = page.locator(".dmlnb-map").first
    shot(900)
    for image in (305, 611, 917):
        x, y = map_.evaluate(WHERE, image)
        page.mouse.move(x, y, steps=4)
        shot(350)
        page.mouse.click(x, y)
        shot(1100)
    page.get_by_label("beside it").select_option("GSP")
    shot(1500)
    page.locator("select[data-k=color_by]").select_option(label="hit or miss")
    shot(1500)
    x, y = map_.evaluate(WHERE, 305)
    page.mouse.click(x, y)
    shot(1500)
    return frames


def train(file: Path = ROOT / "docs" / "letters.npz") -> None:
    """Store the embeddings of ten images of each letter by the two networks of notebook 08, as half floats."""
    from dmlnb.course.recipes import glyph_baseline
    from dmlnb.data import Glyphs
    from dmlnb.models import embed
    from dmlnb.pooling import GeneralizedSumPooling, GlobalAveragePooling

    images, rows = Glyphs("test", per_class=10).images, {}
    for name, pooling in {"GAP": GlobalAveragePooling(), "GSP": GeneralizedSumPooling(64)}.items():
        net, _ = glyph_baseline(pooling, steps=300, seed=0)
        rows[name] = embed(net, images).half().numpy()
    np.savez_compressed(file, **rows)


def main() -> None:
    if sys.argv[1:] == ["--train"]:
        train()
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        file = Path(folder) / "explorer.html"
        explorer_alive(file)
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport=dict(zip(("width", "height"), SIZE, strict=True)))
        page.set_default_timeout(5000)
        page.goto(file.as_uri())
        page.wait_for_timeout(1000)
        frames = record(page)
        browser.close()
    palette = frames[-1][0].quantize(COLOURS)
    small = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture, _ in frames]
    small[0].save(
        ROOT / "notebooks" / "explorer.gif",
        save_all=True,
        append_images=small[1:],
        duration=[milliseconds for _, milliseconds in frames],
        loop=0,
        optimize=True,
    )


if __name__ == "__main__":
    main()
