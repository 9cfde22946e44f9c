"""Pictures of chance-constrained training in the plane."""

from matplotlib.figure import Figure

from dmlnb.course.plots.covering import cover_panel
from dmlnb.course.toys.chance import SUB_PROBLEMS, chance_states
from dmlnb.explore.figures import MISS, SOFT, class_colors, new_figure, style


@style()
def draw_chance_demo(
    num_proxies: int = 4, pool: int = 12, strength: float = 0.1, step: int = 0, seed: int = 0
) -> Figure:
    """Sub-problems of chance-constrained training in the plane, half a step at a time.

    Even steps begin a sub-problem (proxies just selected), odd steps end it (proxies trained). Left: embeddings,
    proxies and covering balls. Right: cover, spread of the proxies and constraint violation up to this step.

    Args:
        num_proxies: a class, K.
        pool: candidates a class; at least K are taken.
        strength: λ of the proximal term.
        step: 0 .. 11.
        seed: of the pools.

    Returns:
        The figure.

    Raises:
        ValueError: for a step out of range.

    Taught in notebook 04.
    """
    if not 0 <= step < 2 * SUB_PROBLEMS:
        raise ValueError(f"step: expected 0 .. {2 * SUB_PROBLEMS - 1}, got {step}")
    states = chance_states(num_proxies, pool, strength, seed)
    figure, axes = new_figure(7.4, 3.5, columns=2, width_ratios=(1, 1.05), margins=(0.4, 0.15, 0.45, 0.5))
    left, right = axes
    state = states[step]
    cover_panel(left, state["points"], state["labels"], state["proxies"])
    moment = "proxies selected" if step % 2 == 0 else "proxies trained"
    left.set(title=f"sub-problem {step // 2 + 1}: {moment}", xlim=(-1.3, 1.3), ylim=(-1.25, 1.35))
    left.set_aspect("equal", adjustable="box")
    colors = class_colors(3)
    for (key, words), color, marker in zip(
        (("cover", "mean cover"), ("spread", "spread of the proxies"), ("violation", "Pr[ℓ ≥ α]")),
        (colors[0], colors[2], MISS),
        "osX",
        strict=True,
    ):
        values = [s[key] for s in states]
        right.plot(range(len(values)), values, color=color, alpha=0.25, linewidth=1.2)
        right.plot(range(step + 1), values[: step + 1], color=color, marker=marker, markersize=4, label=words)
    bound = [s["bound"] for s in states]
    right.plot(range(len(bound)), bound, color=MISS, alpha=0.25, linestyle="--", linewidth=1.1)
    right.plot(
        range(step + 1), bound[: step + 1], color=MISS, linestyle="--", linewidth=1.1, label="Markov's bound"
    )
    right.axvline(step, color=SOFT, linewidth=0.8, linestyle=":")
    right.set(
        xlabel="half step: even = selected, odd = trained", xlim=(-0.4, len(states) - 0.6), ylim=(0, 1.1)
    )
    right.legend(
        loc="lower left", bbox_to_anchor=(-0.03, 0.98), ncols=2, fontsize=8, columnspacing=1.2, frameon=False
    )
    return figure
