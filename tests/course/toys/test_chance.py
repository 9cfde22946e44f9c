import torch

from dmlnb.course.toys import PlaneNet, chance_states, cover_points


def test_demo_net_begins_as_a_shrunken_copy():
    points, _ = cover_points()
    assert torch.allclose(PlaneNet()(points / 2), 0.2 * points, atol=0.05)


def test_demo_states_follow_the_theory():
    for k, strength in ((1, 0.0), (4, 0.3), (8, 3.0)):
        states = chance_states(k, 12, strength, 0)
        assert all(s["violation"] <= s["bound"] + 1e-6 for s in states)
        assert states[-1]["violation"] < states[0]["violation"]
    states = chance_states(4, 12, 0.3, 0)
    trained = [states[i + 1]["spread"] < states[i]["spread"] for i in range(0, len(states), 2)]
    assert all(trained)  # within a sub-problem the proxies draw together
