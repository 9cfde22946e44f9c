import torch

from dmlnb.course.toys import demo_tokens, transport_tokens


def test_demo_tokens_are_seeded_and_lie_in_four_groups():
    assert torch.equal(demo_tokens(1), demo_tokens(1)) and not torch.equal(demo_tokens(1), demo_tokens(2))
    sizes = torch.tensor([6, 9, 12, 21])
    middles = torch.stack([group.mean(dim=0) for group in demo_tokens().split(sizes.tolist())])
    assert middles.sign().tolist() == [[-1, 1], [1, 1], [1, -1], [-1, -1]]


def test_nine_of_the_transport_tokens_are_near_a_prototype():
    tokens, prototypes = transport_tokens(0)
    nearest = torch.cdist(tokens, prototypes).min(dim=1).values
    assert tokens.shape == (24, 2) and prototypes.shape == (3, 2)
    assert nearest[:9].max() < 0.5 and nearest[9:].mean() > 0.8
    assert not torch.equal(transport_tokens(1)[0], tokens)
