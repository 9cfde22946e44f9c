"""Pictures of a student and its teacher: who matches which template where, and what the teacher can tell apart."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from dmlnb.course.plots.palette import method_color
from dmlnb.explore.figures import ACCENT, FAINT, SOFT, class_colors, new_figure, style, to_numpy
from dmlnb.explore.names import name_legend, names_of, plain
from dmlnb.explore.pictures import as_bytes


@style()
def template_maps(
    images,
    winners: Mapping[str, np.ndarray],
    *,
    shown: int = 8,
    kind: str = "template",
    title: str | None = None,
) -> Figure:
    """Images above, and below them the template that wins each region, one row for each reader of the image.

    The templates that win most regions of the first row have a colour, the same in all rows; all others are grey.

    Args:
        images: `(N, 1, S, S)` as in `contact_sheet`.
        winners: `{name: (N, H, W)}` indices of templates; the names are written beside the rows.
        shown: templates that get a colour.
        kind: what the numbers of the legend stand for, such as groups of templates.
        title: above all.

    Returns:
        The figure.

    Raises:
        ValueError: if there is no row, or not as many maps as images.

    Taught in notebook 06.
    """
    pictures, rows = as_bytes(images), {name: to_numpy(w) for name, w in winners.items()}
    for name, row in rows.items() or [("winners", np.zeros(0))]:
        if row.ndim != 3 or len(row) != len(pictures):
            raise ValueError(
                f"winners: expected ({len(pictures)}, H, W) for each row, got {row.shape} for {name}"
            )
    values, counts = np.unique(next(iter(rows.values())), return_counts=True)
    frequent = values[np.argsort(-counts, kind="stable")][:shown]
    colors = ListedColormap([*class_colors(len(frequent)), "#E8E8E8"])
    size = min(0.95, 7.4 / (len(pictures) + 1))
    height = (1 + len(rows)) * (size + 0.05) + 0.5 + 0.25 * bool(title)
    figure, axes = new_figure(
        size * len(pictures) + 1.3, height, rows=1 + len(rows), columns=len(pictures), squeeze=False
    )
    for column, picture in enumerate(pictures):
        axes[0, column].imshow(picture, cmap="gray", vmin=0, vmax=255)
        for line, row in enumerate(rows.values(), start=1):
            place = np.full(row[column].shape, len(frequent))
            for number, template in enumerate(frequent):
                place[row[column] == template] = number
            axes[line, column].imshow(place, cmap=colors, vmin=-0.5, vmax=len(frequent) + 0.5)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
    for ax, name in zip(axes[:, 0], ["image", *rows], strict=True):
        ax.set_ylabel(plain(name), rotation=0, ha="right", va="center")
    names = [str(t) for t in frequent]
    if any(not np.isin(row, frequent).all() for row in rows.values()):
        names.append("other")
    handles = [Rectangle((0, 0), 1, 1, color=colors(i)) for i in range(len(names))]
    figure.legend(handles, names, loc="outside lower center",
                  ncols=len(handles), handlelength=1, columnspacing=0.9, title=plain(kind))  # fmt: skip
    if title:
        figure.suptitle(plain(title), x=0.01, ha="left", fontsize=11)
    return figure


@style()
def draw_decision_matrix(
    decisions,
    subclasses: int,
    class_names: Sequence[str] | Mapping[int, str],
    *,
    sharp: int | None = None,
    spread: int | None = None,
) -> Figure:
    """The decision matrix as a heat map, and two of its rows: a pattern of one class, and one that many share.

    Args:
        decisions: `(G, G)`, rows sum to 1.
        subclasses: sub-classes a class; G is a multiple of it.
        class_names: one per class, or `{class: name}`.
        sharp, spread: rows to draw; by default the most and the least concentrated ones.

    Returns:
        The figure.

    Raises:
        ValueError: for another shape.

    Taught in notebook 06.
    """
    matrix = to_numpy(decisions).astype(float)
    number = subclasses * len(class_names)
    if matrix.shape != (number, number):
        raise ValueError(f"decisions: expected ({number}, {number}), got {matrix.shape}")
    names = names_of(class_names, range(len(class_names)))
    entropy = -(matrix * np.log(np.where(matrix > 0, matrix, 1.0))).sum(axis=1)
    rows = {
        "sharp row": int(entropy.argmin()) if sharp is None else sharp,
        "spread row": int(entropy.argmax()) if spread is None else spread,
    }
    figure, axes = new_figure(7.4, 3.6, rows=2, columns=2, width_ratios=(1.15, 1))
    figure.get_layout_engine().set(w_pad=0.1)
    grid = axes[0, 0].get_gridspec()
    for ax in axes[:, 0]:
        ax.remove()
    ax = figure.add_subplot(grid[:, 0])
    shown = ax.imshow(np.sqrt(matrix), cmap="magma_r", vmin=0, vmax=1, interpolation="nearest")
    bar = figure.colorbar(shown, ax=ax, ticks=np.sqrt([0, 0.05, 0.25, 0.5, 1]), shrink=0.8)
    bar.ax.set_yticklabels(["0", "0.05", "0.25", "0.5", "1"], fontsize=8)
    bar.set_label("share (root scale)", fontsize=9)
    ax.set(xlabel="decided as sub-class g′", ylabel="is sub-class g", title="decision matrix S")
    for panel, (name, row) in zip(axes[:, 1], rows.items(), strict=True):
        own = slice(row // subclasses * subclasses, row // subclasses * subclasses + subclasses)
        panel.bar(np.arange(number), matrix[row], width=1.0, color=SOFT)
        panel.bar(np.arange(number)[own], matrix[row, own], width=1.0, color=ACCENT)
        letter = plain(names[row // subclasses])
        panel.set(title=f"{name}: “{letter}”, g = {row}", xlim=(-1, number), ylim=(0, None), ylabel="share")
        ax.add_patch(Rectangle((-0.5, row - 0.5), number, 1, fill=False, edgecolor=ACCENT, linewidth=0.7))
    axes[1, 1].set_xlabel("decided as g′ (orange: own class)")
    return figure


@style()
def draw_region(
    image, row: int, column: int, beliefs: Mapping[str, np.ndarray], patches, *, top: int = 6
) -> Figure:
    """One region: where it is, what teacher and student take it for, and other patches with the student's template.

    Args:
        image: `(1, S, S)` or `(S, S)`.
        row, column: of the region in the map.
        beliefs: `{name: (K, H, W)}` distributions over the templates, such as the teacher's and the student's.
        patches: `(P, s, s)` of other images; P may be 0.
        top: templates drawn: the ones that have most mass in any of the beliefs.

    Returns:
        The figure.

    Raises:
        ValueError: for a region outside the map.

    Taught in notebook 06.
    """
    picture = as_bytes(to_numpy(image)[None])[0]
    beliefs = {name: to_numpy(p) for name, p in beliefs.items()}
    height, width = next(iter(beliefs.values())).shape[1:]
    if not (0 <= row < height and 0 <= column < width):
        raise ValueError(f"row, column: expected within {height} x {width}, got {row}, {column}")
    shares = {name: p[:, row, column] for name, p in beliefs.items()}
    chosen = np.sort(np.argsort(-np.max(list(shares.values()), axis=0), kind="stable")[:top])
    figure, axes = new_figure(7.4, 2.5, columns=3, margins=(0.1, 0.1, 0.35, 0.55), width_ratios=(1, 1.4, 1.3))
    axes[0].imshow(picture, cmap="gray", vmin=0, vmax=255)
    step = len(picture) / height
    axes[0].add_patch(
        Rectangle(
            (column * step - 0.5, row * step - 0.5), step, step, fill=False, edgecolor=ACCENT, linewidth=2
        )
    )
    axes[0].set(xticks=[], yticks=[], title="region")
    handles, thick, looks = [], 0.8 / len(shares), {"teacher": "source", "student": "letKD"}
    for number, (name, p) in enumerate(shares.items()):
        place = np.arange(len(chosen)) + thick * (number - (len(shares) - 1) / 2)
        color = method_color(looks.get(name, name), other=True)
        handles.append(axes[1].bar(place, p[chosen], thick, color=color))
    axes[1].set(xticks=range(len(chosen)), xticklabels=chosen, ylim=(0, 1), xlabel="template", title="belief")
    name_legend(axes[1], handles, shares, fontsize=8)
    tiles = as_bytes(patches, name="patches") if len(patches) else np.zeros((0, 8, 8), dtype=np.uint8)
    columns = 4
    side = tiles.shape[-1]
    sheet = np.full((2 * (side + 1), columns * (side + 1)), 255, dtype=np.uint8)
    for number, tile in enumerate(tiles[: 2 * columns]):
        y, x = number // columns * (side + 1), number % columns * (side + 1)
        sheet[y : y + side, x : x + side] = tile
    axes[2].imshow(sheet, cmap="gray", vmin=0, vmax=255)
    axes[2].set(title="same template")
    axes[2].set_axis_off()
    return figure


@style()
def draw_class_belief(
    image, probabilities, class_names: Sequence[str] | Mapping[int, str], label: int, *, top: int = 6
) -> Figure:
    """An image and the classes its network believes in most; the true one is coloured.

    Args:
        image: `(1, S, S)` or `(S, S)`.
        probabilities: `(C,)`.
        class_names: C names, or `{class: name}`.
        label: the true class; always among the bars.
        top: bars.

    Returns:
        The figure.

    Raises:
        ValueError: if there are not as many names as probabilities.

    Taught in notebook 06.
    """
    p = to_numpy(probabilities)
    if p.shape != (len(class_names),):
        raise ValueError(f"probabilities: expected ({len(class_names)},), got {p.shape}")
    names = {c: plain(name) for c, name in names_of(class_names, range(len(p))).items()}
    chosen = np.argsort(-p, kind="stable")[:top]
    chosen = chosen if label in chosen else np.append(chosen[:-1], label)
    picture = as_bytes(to_numpy(image)[None])[0]
    figure, (left, right) = new_figure(
        6.0, 2.2, columns=2, margins=(0.1, 0.1, 0.35, 0.4), width_ratios=(1, 2)
    )
    left.imshow(picture, cmap="gray", vmin=0, vmax=255)
    left.set(xticks=[], yticks=[], title=f"“{names[int(label)]}”")
    right.bar(range(len(chosen)), p[chosen], color=[ACCENT if c == label else FAINT for c in chosen])
    right.set(
        xticks=range(len(chosen)),
        xticklabels=[names[c] for c in chosen.tolist()],
        ylim=(0, 1),
        title="belief",
    )
    return figure
