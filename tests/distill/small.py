"""Regions of classes that have two patterns each."""

import torch

C, K, D = 3, 2, 5


def regions(spread=0.05, each=40, shared=False):
    """Every class has two patterns; with `shared`, the second one is the same in all classes."""
    means = 4 * torch.randn(C, K, D)
    if shared:
        means[:, 1] = means[0, 1]
    features = means[:, :, None] + spread * torch.randn(C, K, each, D)
    return means, features.flatten(0, 2), torch.arange(C).repeat_interleave(K * each)
