"""Energy of one pair under the relaxed contrastive loss, by its relative distance r and its label w.

Numbers, arrays and tensors alike.
"""


def pair_energy(r, w, delta: float = 1.0):
    """$w r^2 + (1 - w)(\\delta - r)_+^2$."""
    return w * r**2 + (1 - w) * ((delta - r) * (r < delta)) ** 2


def pair_slope(r, w, delta: float = 1.0):
    """Derivative of `pair_energy` in r: $2 w r - 2 (1 - w)(\\delta - r)_+$."""
    return 2 * w * r - 2 * (1 - w) * (delta - r) * (r < delta)
