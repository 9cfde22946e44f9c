"""Training beside a teacher: a frozen network that never becomes a part of the student, and the loss of letKD."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dmlnb.distill.codebook import Codebook
from dmlnb.losses.distillation import template_kl


class BesideTeacher(nn.Module):
    """Student and teacher on the same images, for training.

    The teacher is kept outside the module tree: it is not trained, saved, or switched to training mode, and stays
    where it is. Throw this shell away after training; `student` is the network.

    Args:
        student: with `read(images)`.
        teacher: with `read(images)`; frozen here, in evaluation mode.

    Shape:
        images `(B, c, S, S)` -> (reading of the student, reading of the teacher).

    Taught in notebook 06.
    """

    def __init__(self, student: nn.Module, teacher: nn.Module):
        super().__init__()
        self.student = student
        self._teacher = [teacher.eval().requires_grad_(False)]  # in a list: no sub-module

    def forward(self, images: Tensor) -> tuple:
        with torch.no_grad():
            taught = self._teacher[0].read(images)
        return self.student.read(images), taught


class LetKDLoss(nn.Module):
    """Cross-entropy of the student, plus the divergence of its templates from the teacher's targets.

    $$ L = \\mathrm{CE}(\\text{logits}, y) + \\sum_{\\text{layers}} \\mathrm{KL}(p^T \\,\\Vert\\, p^S) $$

    One layer at the last map with a `Codebook` is letKD-1; a second one before it with `DecisionTemplates` is letKD-2.

    Args:
        targets: `{stage: Codebook or DecisionTemplates}`; the student needs a KD layer, and the teacher a tap, at each
            of the stages. They hold buffers only.
        weight: of each divergence, 1 in the paper.

    Shape:
        ((student's reading, teacher's reading), labels `(B,)`) -> scalar.

    Raises:
        ValueError: for a weight that is not >= 0; in the call, if the student has no layer, or the teacher no tap, at
            one of the stages.

    Source: [gorgun2023letkd]. Taught in notebook 06.
    """

    def __init__(self, targets: Mapping[int, nn.Module], weight: float = 1.0):
        super().__init__()
        if not 0 <= weight < float("inf"):
            raise ValueError(f"weight: expected a number >= 0, got {weight}")
        self.targets = nn.ModuleDict({str(stage): source for stage, source in targets.items()})
        self.weight = weight

    def forward(self, readings: tuple, labels: Tensor) -> Tensor:
        student, teacher = readings
        self._require_stages(student.scores, "KD layers of the student")
        self._require_stages(teacher.maps, "taps of the teacher")
        loss = cross_entropy(student.logits, labels)
        for stage, source in self.targets.items():
            features = teacher.maps[int(stage)]
            wanted = (
                source.targets(features) if isinstance(source, Codebook) else source.targets(features, labels)
            )
            loss = loss + self.weight * template_kl(student.scores[int(stage)], wanted)
        return loss

    def _require_stages(self, found: Mapping[int, Tensor], what: str) -> None:
        if missing := {int(stage) for stage in self.targets} - set(found):
            raise ValueError(f"targets: expected {what} at stages {sorted(missing)}, got {sorted(found)}")
