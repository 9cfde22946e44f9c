import torch
from torch.nn.functional import cross_entropy

from dmlnb.course.recipes import train_letters
from dmlnb.data import cyrillic_letters
from dmlnb.models import Beside, StagedClassifier, small_resnet


def test_letters_are_cyrillic_and_another_seed_gives_other_images():
    one, again, other = cyrillic_letters(2), cyrillic_letters(2), cyrillic_letters(2, seed=1)
    assert len(one.class_names) == 47 and "Ж" in one.class_names and "A" not in one.class_names
    assert one.images.shape == (94, 1, 32, 32) and torch.equal(
        one.labels, torch.arange(47).repeat_interleave(2)
    )
    assert torch.equal(one.images, again.images) and not torch.equal(one.images, other.images)
    assert torch.equal(one.labels, other.labels) and one.class_names == other.class_names


def test_content_of_the_regions_follows_the_mask_and_the_clutter():
    data = cyrillic_letters(4)
    share = data.masks.float().view(-1, 8, 4, 8, 4).mean(dim=(2, 4))
    assert torch.equal(data.content == 2, share >= 2 / 16)
    shares = [(data.content == kind).float().mean().item() for kind in range(3)]
    assert all(0.03 < s < 0.8 for s in shares), shares
    flat = data.images.float().view(-1, 8, 4, 8, 4).transpose(2, 3).flatten(3).std(dim=3)  # within a region
    assert flat[data.content == 0].mean() < flat[data.content == 1].mean()


def test_training_repeats_itself_and_ends_in_evaluation_mode():
    data, nets = cyrillic_letters(4), []
    for _ in range(2):
        torch.manual_seed(0)
        nets.append(StagedClassifier(small_resnet(1, (4, 8, 8, 8)), 47))
        history = train_letters(nets[-1], cross_entropy, data, steps=3, seed=1, progress=False)
        assert len(history) == 3 and not nets[-1].training
    for a, b in zip(*(n.parameters() for n in nets), strict=True):
        assert torch.equal(a, b)


def test_a_student_beside_its_teacher_is_trained_by_readings():
    teacher, student = (StagedClassifier(small_resnet(1, (4, 8, 8, 8)), 47) for _ in range(2))
    both, before = Beside(student, teacher), student.linear.weight.detach().clone()
    agree = lambda reading, labels: (reading.logits - reading.source.logits).square().mean()
    train_letters(both.read, agree, cyrillic_letters(4), steps=2, progress=False, device="cpu")
    assert not both.training and not torch.equal(student.linear.weight, before)


def test_the_device_is_passed_on(monkeypatch):
    """Where there is CUDA, an unnamed device would move network and loss there."""
    seen = []
    monkeypatch.setattr(
        "dmlnb.course.recipes.letters.train", lambda *_, device, **__: seen.append(device) or []
    )
    data, net = cyrillic_letters(2), torch.nn.Linear(1, 1)
    train_letters(net, cross_entropy, data, steps=1, device="cpu")
    train_letters(net, cross_entropy, data, steps=1)
    assert seen == ["cpu", None]
