"""Pictures for "match a template, add its vector": how shares move, what fires a template, and who owns a region."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from dmlnb.explore.canvas import MARGIN, draw_frame, show, stretch
from dmlnb.explore.figures import (
    ACCENT,
    FAINT,
    HIT,
    INK,
    MISS,
    SOFT,
    blank_figure,
    class_colors,
    new_figure,
    style,
    to_numpy,
)
from dmlnb.explore.names import names_of, plain
from dmlnb.explore.pictures import as_bytes
from dmlnb.models import entropy_assignment, hard_assignment, quadratic_assignment

_OTHERS = (0.4, -0.3)  # scores of the two templates that stand still


@style()
def draw_assignment_sweep(sharpness: float = 4.0, gamma: float = 0.5, no_match: float = 0.0) -> Figure:
    """Three templates and no match share a region while the score of the first template sweeps.

    Left: the hard choice; middle: softmax; right: the quadratic form, a ReLU as long as there is room. The dotted line
    is where the first template reaches the no-match score, and the dashed one where it passes the second.

    Args:
        sharpness: of the softmax, > 0.
        gamma: of the quadratic form, > 0.
        no_match: score of the no-match option, and threshold of the quadratic form.

    Returns:
        The figure.

    Raises:
        ValueError: for a sharpness or gamma that is not positive.

    Taught in notebook 05.
    """
    sweep = torch.linspace(-1.5, 2.5, 161, dtype=torch.float64)
    scores = torch.stack([sweep, *(torch.full_like(sweep, s) for s in _OTHERS)], dim=1)  # (161, 3)
    panels = {
        "hard choice": hard_assignment(scores, no_match),
        f"softmax, ε = {sharpness:g}": entropy_assignment(scores, no_match, sharpness=sharpness),
        f"quadratic, γ = {gamma:g}": quadratic_assignment(scores, gamma, no_match),
    }
    figure, axes = new_figure(7.6, 2.9, columns=3, margins=(0.6, 0.1, 0.35, 0.95), sharey=True)
    names = ["template 1", f"template 2, score {_OTHERS[0]}", f"template 3, score {_OTHERS[1]}"]
    for ax, (title, found) in zip(axes, panels.items(), strict=True):
        for k, color in enumerate(class_colors(3)):
            ax.plot(sweep, found.weights[:, k], color=color, label=names[k])
        ax.plot(sweep, found.unmatched, color=SOFT, linestyle=(0, (5, 2)), label="no match")
        ax.axvline(no_match, color=FAINT, linestyle=":", zorder=0)
        ax.axvline(_OTHERS[0], color=FAINT, linestyle="--", zorder=0)
        ax.set(xlabel="score of template 1", title=title, ylim=(-0.03, 1.03))
    axes[0].set_ylabel("share of the region")
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="lower center", ncols=4, handlelength=1.6, columnspacing=1.2
    )
    return figure


@style()
def template_patches(
    images, weights, templates: Sequence[int], *, patches: int = 10, side: int = 13
) -> Figure:
    """For each template the image patches at which it fires most, one per image, strongest first.

    Args:
        images: `(N, 1, S, T)`.
        weights: `(N, K, H, W)` how strongly each template fires at each region.
        templates: indices of the rows.
        patches: of each row.
        side: of a patch, pixels; what lies outside the image is drawn in the grey of its border.

    Returns:
        The figure.

    Raises:
        ValueError: for shapes that do not fit, templates that do not exist, or fewer images than patches.

    Taught in notebook 05.
    """
    pictures, weights = as_bytes(images), to_numpy(weights)
    if weights.ndim != 4 or len(weights) != len(pictures) or patches > len(pictures):
        raise ValueError(
            f"weights: expected ({len(pictures)}, K, H, W) and at least {patches} images, got {weights.shape}"
        )
    if not templates or not all(0 <= k < weights.shape[1] for k in templates):
        raise ValueError(f"templates: expected some of 0 .. {weights.shape[1] - 1}, got {list(templates)}")
    size, gap = 0.56, 0.06
    figure, ax = blank_figure(
        0.95 + patches * (size + gap) + MARGIN, 2 * MARGIN + len(templates) * (size + gap)
    )
    step = np.array(pictures.shape[1:]) / np.array(weights.shape[2:])  # pixels a region
    for row, k in enumerate(templates):
        y = MARGIN + row * (size + gap)
        ax.text(0.85, y + size / 2, f"template {k}", ha="right", va="center", fontsize=8)
        flat = weights[:, k].reshape(len(weights), -1)
        best = flat.max(axis=1).argsort(kind="stable")[::-1][:patches]  # images
        for column, n in enumerate(best):
            place = np.unravel_index(flat[n].argmax(), weights.shape[2:])
            centre = np.floor((np.array(place) + 0.5) * step).astype(int)
            x = 0.95 + column * (size + gap)
            show(ax, _cut(pictures[n], centre, side), x, y, size)
            if flat[n].max() <= 0:
                draw_frame(ax, x, y, size, MISS, 1.2)  # it does not fire at all
    return figure


@style()
def match_maps(images, winners, region_labels, *, ink=None, titles: Sequence[str] | None = None) -> Figure:
    """Collages, and below each its regions by whether they name their own half, the other half, or another class.

    Args:
        images: `(N, 1, S, 2 S)`.
        winners: `(N, H, W)` the class that each region names; or `{name: winners}` for several rows.
        region_labels: `(N, H, W)` the class of the half.
        ink: `(N, H, W)` bool; regions without ink are drawn pale.
        titles: N captions.

    Returns:
        The figure.

    Raises:
        ValueError: for shapes that do not fit.

    Taught in notebook 05.
    """
    pictures, own = as_bytes(images), to_numpy(region_labels)
    named = winners if isinstance(winners, dict) else {"": winners}
    named = {name: to_numpy(w) for name, w in named.items()}
    if own.ndim != 3 or len(own) != len(pictures) or any(w.shape != own.shape for w in named.values()):
        raise ValueError(
            f"winners, region_labels: expected ({len(pictures)}, H, W) in all, got "
            f"{[w.shape for w in named.values()]} and {own.shape}"
        )
    other = own[:, :, ::-1]
    left = MARGIN + (0.85 if any(named) else 0)
    width = min(1.5, (7.6 - left) / len(pictures) - 0.1)
    height = width * pictures.shape[1] / pictures.shape[2]
    top = MARGIN + (0.2 if titles is not None else 0)
    figure, ax = blank_figure(
        left + len(pictures) * (width + 0.1), top + (1 + len(named)) * (height + 0.08) + 0.32
    )
    rgb = {color: np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]) for color in (HIT, MISS)}
    for i, picture in enumerate(pictures):
        x = left + i * (width + 0.1)
        if titles is not None:
            ax.text(x + width / 2, top - 0.04, plain(titles[i]), ha="center", va="bottom", fontsize=9)
        stretch(ax, picture, x, top, width, height)
        for row, w in enumerate(named.values(), start=1):
            canvas = np.full((*own.shape[1:], 3), 0.72)
            canvas[w[i] == own[i]], canvas[w[i] == other[i]] = rgb[HIT], rgb[MISS]
            if ink is not None:
                pale = ~to_numpy(ink)[i].astype(bool)
                canvas[pale] = 0.35 * canvas[pale] + 0.65
            stretch(ax, canvas, x, top + row * (height + 0.08), width, height)
    for row, name in enumerate(named, start=1):
        y = top + row * (height + 0.08) + height / 2
        ax.text(left - 0.08, y, plain(name), ha="right", va="center", fontsize=8)
    x, y = left, top + (1 + len(named)) * (height + 0.08) + 0.06
    for text, color in (("its own half", HIT), ("the other half", MISS), ("another class", "#B8B8B8")):
        ax.add_patch(Rectangle((x, y), 0.13, 0.13, color=color))
        ax.text(x + 0.19, y + 0.075, text, va="center", fontsize=8)
        x += 1.25
    return figure


@style()
def draw_region_match(
    image,
    scores,
    labels,
    class_names: Sequence[str] | Mapping[int, str],
    places: Sequence[tuple[int, int]],
    top: int = 6,
) -> Figure:
    """Regions of a collage: where they are, and the classes whose templates each of them matches best.

    Args:
        image: `(1, S, 2 S)`.
        scores: `(K, H, W)` one template a class.
        labels: the classes of the left and of the right half.
        class_names: K letters, or `{class: letter}`.
        places: row and column of each region, 0 .. H - 1 and 0 .. W - 1.
        top: bars of each region.

    Returns:
        The figure: the collage, and beside it one panel of bars for each region, in the order of its frames.

    Raises:
        ValueError: for no region or one outside the map, or as many names as there are not templates.

    Taught in notebook 05.
    """
    picture, scores = as_bytes(image[None])[0], to_numpy(scores)
    if scores.ndim != 3 or len(scores) != len(class_names):
        raise ValueError(f"scores: expected ({len(class_names)}, H, W), got {scores.shape}")
    names = {k: plain(name) for k, name in names_of(class_names, range(len(scores))).items()}
    high, wide = scores.shape[1:]
    if not places or not all(0 <= row < high and 0 <= column < wide for row, column in places):
        raise ValueError(f"places: expected regions of the {high} x {wide} map, got {list(places)}")
    figure, (ax, *panels) = new_figure(
        3.1 + 2.3 * len(places),
        2.3,
        columns=1 + len(places),
        margins=(0.1, 0.15, 0.35, 0.5),
        width_ratios=(1.5, *[1] * len(places)),
    )
    ax.imshow(picture, cmap="gray", vmin=0, vmax=255)
    ax.set(xticks=[], yticks=[], title=f"{names[int(labels[0])]} beside {names[int(labels[1])]}")
    cell = np.array(picture.shape) / (high, wide)
    for number, ((row, column), bars) in enumerate(zip(places, panels, strict=True), start=1):
        corner = (column * cell[1] - 0.5, row * cell[0] - 0.5)
        ax.add_patch(Rectangle(corner, cell[1], cell[0], fill=False, edgecolor=ACCENT, linewidth=2))
        where = (corner[0] + cell[1] / 2, corner[1] - 0.3)
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
        ax.text(*where, str(number), ha="center", va="bottom", fontsize=8, color=INK, bbox=box)
        here = scores[:, row, column]
        best = here.argsort(kind="stable")[::-1][:top]
        side = int(2 * column >= wide)
        own, other = int(labels[side]), int(labels[1 - side])
        colors = [HIT if k == own else MISS if k == other else FAINT for k in best]
        bars.bar(range(len(best)), here[best], color=colors, edgecolor="#888888", linewidth=0.5)
        bars.set_xticks(range(len(best)), [names[k] for k in best.tolist()], fontsize=12, color=INK)
        place = int((here > here[own]).sum()) + 1
        bars.set_title(f"{number}: own {names[own]}, place {place}")
        bars.axhline(0, color=SOFT, linewidth=0.8)
    panels[0].set_ylabel("score s")
    return figure


def _cut(picture: np.ndarray, centre: np.ndarray, side: int) -> np.ndarray:
    """A square of `side` pixels round `centre`, continued beyond the border."""
    reach = side // 2
    padded = np.pad(picture, side, mode="edge")
    y, x = centre + side - reach
    return padded[y : y + side, x : x + side]
