import copy

import pytest
import torch
from torch.nn.functional import cross_entropy

from dmlnb.distill import Codebook, DecisionTemplates, LetKDLoss
from dmlnb.models import Beside, KDLayer, StagedClassifier, small_resnet
from dmlnb.training import train

CLASSES, CODES, SUBCLASSES = 3, 7, 2


def a_student(alpha=1.0, stages=(4, 5)):
    widths = {4: 8, 5: 8}
    templates = {4: CLASSES * SUBCLASSES, 5: CODES}
    layers = {s: KDLayer(widths[s], templates[s], alpha) for s in stages}
    return StagedClassifier(small_resnet(1, (4, 8, 8, 8)), CLASSES, layers)


@pytest.fixture
def case():
    teacher = StagedClassifier(small_resnet(1, (4, 8, 8, 10)), CLASSES).eval()
    images, labels = torch.randn(12, 1, 16, 16), torch.arange(12) % CLASSES
    with torch.no_grad():
        maps = teacher.read(images).maps
    rows = {s: maps[str(s)].permute(0, 2, 3, 1).flatten(0, 2) for s in (4, 5)}
    decisions = DecisionTemplates.fit(rows[4], labels.repeat_interleave(16), SUBCLASSES)
    return teacher, images, labels, Codebook.fit(rows[5], CODES), decisions


@pytest.mark.parametrize("stages", [(5,), (4, 5)])  # letKD-1 and letKD-2
def test_one_step_against_a_plain_derivation(case, stages):
    teacher, images, labels, codebook, decisions = case
    student = a_student(stages=stages).double()
    twin, teacher, images = copy.deepcopy(student), teacher.double(), images.double()
    sources = {s: {4: decisions, 5: codebook}[s] for s in stages}
    loss = LetKDLoss(sources)(Beside(student, teacher).read(images), labels)

    x, t, expected = images, images, 0.0
    for stage in range(6):
        x = twin.stages[stage](x)
        with torch.no_grad():
            t = teacher.stages[stage](t)
        if stage not in stages:
            continue
        layer = twin.kd_layers[str(stage)]
        s = layer.template_scale * torch.einsum(
            "kc,bchw->bkhw", layer.templates / layer.templates.norm(dim=1, keepdim=True),
            x / x.norm(dim=1, keepdim=True).clamp(min=1e-12),
        )  # fmt: skip
        if stage == 5:
            distance = (t[:, None] - codebook.centres.double()[:, :, None, None]).square().sum(dim=2)
            p = (-distance).softmax(dim=1)
        else:
            p = decisions.decisions.double()[decisions.subclass(t, labels)].permute(0, 3, 1, 2)
        expected = expected + (torch.xlogy(p, p) - p * s.log_softmax(dim=1)).sum() / s[:, 0].numel()
        m = layer.norm(s).relu()
        m = m / m.norm(dim=1, keepdim=True).clamp(min=1e-12)
        w = layer.values / layer.values.norm(dim=1, keepdim=True)
        x = x + layer.value_scale * torch.einsum("ck,bkhw->bchw", w, m)
    expected = expected + cross_entropy(twin.linear(x.mean(dim=(2, 3))), labels)
    assert torch.allclose(loss, expected, atol=1e-10)
    loss.backward(), expected.backward()
    for (name, a), b in zip(student.named_parameters(), twin.parameters(), strict=True):
        assert torch.allclose(a.grad, b.grad, atol=1e-9), name


def test_value_ratio_zero_is_supervision_without_a_path_to_the_classes(case):
    teacher, images, labels, codebook, _ = case
    student = a_student(0.0, stages=(5,))
    LetKDLoss({5: codebook})(Beside(student, teacher).read(images), labels).backward()
    layer = student.kd_layers["5"]
    assert layer.templates.grad.any() and not layer.values.grad.any() and not layer.norm.weight.grad.any()
    plain = copy.deepcopy(student).eval()
    assert torch.equal(plain(images), plain.linear(plain.stages(images).mean(dim=(2, 3))))


def test_the_teacher_does_not_change_and_the_student_runs_alone(case):
    teacher, images, labels, codebook, decisions = case
    before = {k: v.clone() for k, v in teacher.state_dict().items()}
    student = a_student()
    both = Beside(student, teacher)
    assert {id(p) for p in both.parameters() if p.requires_grad} == {id(p) for p in student.parameters()}
    history = train(both.read, LetKDLoss({4: decisions, 5: codebook}), images, labels, [torch.arange(12)] * 6,
                    augment=None, progress=False, device="cpu")  # fmt: skip
    assert history[-1]["loss"] < history[0]["loss"] and not teacher.training
    assert all(torch.equal(v, before[k]) for k, v in teacher.state_dict().items())
    logits = student.eval()(images)
    del teacher, both
    assert torch.equal(student(images), logits)


def test_no_labels_and_no_targets_are_kept_by_the_student(case):
    teacher, images, labels, codebook, decisions = case
    student = a_student()
    LetKDLoss({4: decisions, 5: codebook})(Beside(student, teacher).read(images), labels).backward()
    alone = a_student()
    alone.load_state_dict(student.state_dict())
    assert torch.equal(alone.eval()(images), student.eval()(images))


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_bad_weight(weight):
    with pytest.raises(ValueError, match="weight: expected a finite number >= 0"):
        LetKDLoss({}, weight)


@pytest.mark.parametrize("name", [int, str])  # stages by number or by name
def test_a_missing_layer_or_map_is_named(case, name):
    teacher, images, labels, codebook, decisions = case
    loss = LetKDLoss({name(4): decisions, name(5): codebook})
    plain = StagedClassifier(small_resnet(1, (4, 8, 8, 8)), CLASSES, {name(5): KDLayer(8, CODES)})
    both = Beside(plain, teacher).read(images)
    with pytest.raises(ValueError, match=r"KD layers of the student at stages \['4'\]"):
        loss(both, labels)
    blind = both._replace(source=both.source._replace(maps={"4": both.source.maps["4"]}))
    with pytest.raises(ValueError, match=r"maps of the teacher at stages \['5'\]"):
        LetKDLoss({name(5): codebook})(blind, labels)


def test_what_is_no_reading_beside_a_teacher_is_named(case):
    _, images, labels, codebook, _ = case
    loss, student = LetKDLoss({5: codebook}), a_student()
    with pytest.raises(
        ValueError, match="reading: expected a Reading with logits, got Tensor; train with net.read"
    ):
        loss(student(images), labels)
    with pytest.raises(ValueError, match="reading: expected a Reading with source, got one without"):
        loss(student.read(images), labels)
