import copy

import pytest
import torch
from torch.nn.functional import cross_entropy

from dmlnb.distill import BesideTeacher, Codebook, DecisionTemplates, LetKDLoss
from dmlnb.models import KDLayer, StagedClassifier, small_resnet
from dmlnb.training import train

CLASSES, CODES, SUBCLASSES = 3, 7, 2


def a_student(alpha=1.0, stages=(4, 5)):
    widths = {4: 8, 5: 8}
    templates = {4: CLASSES * SUBCLASSES, 5: CODES}
    layers = {s: KDLayer(widths[s], templates[s], alpha) for s in stages}
    return StagedClassifier(small_resnet(1, (4, 8, 8, 8)), CLASSES, layers)


@pytest.fixture
def case():
    teacher = StagedClassifier(small_resnet(1, (4, 8, 8, 10)), CLASSES, taps=(4, 5)).eval()
    images, labels = torch.randn(12, 1, 16, 16), torch.arange(12) % CLASSES
    with torch.no_grad():
        maps = teacher.read(images).maps
    rows = {s: m.permute(0, 2, 3, 1).flatten(0, 2) for s, m in maps.items()}
    decisions = DecisionTemplates.fit(rows[4], labels.repeat_interleave(16), SUBCLASSES)
    return teacher, images, labels, Codebook.fit(rows[5], CODES), decisions


@pytest.mark.parametrize("stages", [(5,), (4, 5)])  # letKD-1 and letKD-2
def test_one_step_against_a_plain_derivation(case, stages):
    teacher, images, labels, codebook, decisions = case
    student = a_student(stages=stages).double()
    twin, teacher, images = copy.deepcopy(student), teacher.double(), images.double()
    sources = {s: {4: decisions, 5: codebook}[s] for s in stages}
    loss = LetKDLoss(sources)(BesideTeacher(student, teacher)(images), labels)

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
    LetKDLoss({5: codebook})(BesideTeacher(student, teacher)(images), labels).backward()
    layer = student.kd_layers["5"]
    assert layer.templates.grad.any() and not layer.values.grad.any() and not layer.norm.weight.grad.any()
    plain = copy.deepcopy(student).eval()
    assert torch.equal(plain(images), plain.linear(plain.stages(images).mean(dim=(2, 3))))


def test_the_teacher_is_no_part_of_the_shell_and_does_not_change(case):
    teacher, images, labels, codebook, decisions = case
    before = {k: v.clone() for k, v in teacher.state_dict().items()}
    student = a_student()
    shell = BesideTeacher(student, teacher)
    assert {id(p) for p in shell.parameters()} == {id(p) for p in student.parameters()}
    assert not any("teacher" in name for name in shell.state_dict())
    history = train(shell, LetKDLoss({4: decisions, 5: codebook}), images, labels, [torch.arange(12)] * 6,
                    augment=None, progress=False, device="cpu")  # fmt: skip
    assert history[-1]["loss"] < history[0]["loss"] and not teacher.training
    assert all(torch.equal(v, before[k]) for k, v in teacher.state_dict().items())
    logits = student.eval()(images)
    del teacher, shell
    assert torch.equal(student(images), logits)


def test_no_labels_and_no_targets_are_kept_by_the_student(case):
    teacher, images, labels, codebook, decisions = case
    student = a_student()
    LetKDLoss({4: decisions, 5: codebook})(BesideTeacher(student, teacher)(images), labels).backward()
    alone = a_student()
    alone.load_state_dict(student.state_dict())
    assert torch.equal(alone.eval()(images), student.eval()(images))


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_bad_weight(weight):
    with pytest.raises(ValueError, match="weight: expected a number >= 0"):
        LetKDLoss({}, weight)


def test_a_missing_layer_or_tap_is_named(case):
    teacher, images, labels, codebook, decisions = case
    plain = StagedClassifier(small_resnet(1, (4, 8, 8, 8)), CLASSES, {5: KDLayer(8, CODES)})
    both = BesideTeacher(plain, teacher)(images)
    with pytest.raises(ValueError, match=r"KD layers of the student at stages \[4\]"):
        LetKDLoss({4: decisions, 5: codebook})(both, labels)
    blind = StagedClassifier(small_resnet(1, (4, 8, 8, 10)), CLASSES)
    with pytest.raises(ValueError, match=r"taps of the teacher at stages \[5\]"):
        LetKDLoss({5: codebook})(BesideTeacher(plain, blind)(images), labels)
