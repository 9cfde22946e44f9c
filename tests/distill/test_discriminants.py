import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from dmlnb.distill import DecisionTemplates, discriminants
from tests.distill.small import C, D, K, regions


def test_discriminants_are_those_of_sklearn_and_whiten_the_classes():
    _, features, labels = regions(spread=1.0)
    projection, mean = discriminants(features, labels, 60)
    z = (features - mean) @ projection.T
    theirs = torch.from_numpy(
        LinearDiscriminantAnalysis().fit(features.numpy(), labels.numpy()).transform(features)
    )
    assert z.shape == (len(features), C - 1)
    assert torch.allclose(z.abs(), theirs.float().abs(), atol=1e-3)  # signs are arbitrary; ours are fixed
    largest = projection.gather(1, projection.abs().argmax(dim=1, keepdim=True))
    assert (largest > 0).all()
    within = torch.cat([z[labels == c] - z[labels == c].mean(dim=0) for c in range(C)])
    assert torch.allclose(within.T @ within / len(z), torch.eye(C - 1), atol=0.05)
    between = torch.stack([z[labels == c].mean(dim=0) for c in range(C)]).var(dim=0)
    assert (between.diff() <= 1e-4).all()


def test_dead_and_equal_channels_do_no_harm():
    _, features, labels = regions()
    features = torch.cat([features, torch.zeros(len(features), 1), features[:, :1]], dim=1)
    fitted = DecisionTemplates.fit(features, labels, K)
    assert torch.isfinite(fitted.centres).all() and not fitted.projection[:, D].any()
    constant = DecisionTemplates.fit(torch.ones(12, 4), torch.arange(12) % 2, 2)
    assert torch.isfinite(constant.centres).all()
    assert torch.allclose(constant.decisions.sum(dim=1), torch.ones(4))
