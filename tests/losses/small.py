"""Sizes small enough for loops, and the cosine of two vectors."""

N, D, C, K = 12, 5, 4, 3  # rows, coordinates, classes, proxies of each


def cosine(a, b):
    return (a @ b / (a.norm() * b.norm())).item()
