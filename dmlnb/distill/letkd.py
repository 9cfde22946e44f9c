"""The loss of letKD: a student learns its task while a teacher beside it supervises its templates."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dmlnb._inputs import as_labels, require_not_negative, require_reading
from dmlnb.distill.codebook import Codebook
from dmlnb.losses.distillation import template_kl


class LetKDLoss(nn.Module):
    """Cross-entropy of the student, plus the divergence of its templates from the teacher's targets.

    $$ L = \\mathrm{CE}(\\text{logits}, y) + \\sum_{\\text{layers}} \\mathrm{KL}(p^T \\,\\Vert\\, p^S) $$

    One layer at the last map with a `Codebook` is letKD-1; a second one before it with `DecisionTemplates` is letKD-2.

        train(Beside(student, teacher).read, LetKDLoss({4: decisions, 5: codebook}), ...)

    Args:
        targets: `{stage: Codebook or DecisionTemplates}`, the stage by number or name; the student needs a KD layer,
            and the teacher a map, at each of them. They hold buffers only.
        weight: of each divergence, 1 in the paper.

    Shape:
        the student's `Reading` with the teacher's as its `.source`, labels `(B,)` -> scalar.

    Raises:
        ValueError: for a weight that is not >= 0; in the call, for a tensor in place of a reading, a reading without
            logits or source, or if the student has no layer, or the teacher no map, at one of the stages.

    Source: [gorgun2023letkd]. Taught in notebook 06.
    """

    def __init__(self, targets: Mapping[int | str, nn.Module], weight: float = 1.0):
        super().__init__()
        require_not_negative(weight=weight)
        self.targets: Any = nn.ModuleDict({str(stage): wanted for stage, wanted in targets.items()})
        self.weight = weight

    def forward(self, reading: Any, labels: Tensor) -> Tensor:
        require_reading(reading, "logits", "source")
        self._require_stages(reading.scores, "KD layers of the student")
        self._require_stages(reading.source.maps, "maps of the teacher")
        labels = as_labels(labels, len(reading.logits), reading.logits.shape[1])
        loss = cross_entropy(reading.logits, labels)
        for stage, wanted in self.targets.items():
            features = reading.source.maps[stage]  # (B, D, H, W) of the teacher
            given = (features,) if isinstance(wanted, Codebook) else (features, labels)
            loss = loss + self.weight * template_kl(reading.scores[stage], wanted.targets(*given))
        return loss

    def _require_stages(self, found: Mapping[str, Tensor], what: str) -> None:
        if missing := [stage for stage in self.targets if stage not in found]:
            raise ValueError(f"targets: expected {what} at stages {missing}, got {list(found)}")
