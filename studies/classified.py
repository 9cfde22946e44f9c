"""One classifier of a study: trained as in every other arm, and kept at its best step on the images that choose."""

from torch import Tensor, nn

from dmlnb.models import StagedClassifier, read_all
from dmlnb.training import train

Labelled = tuple[Tensor, Tensor]  # images or maps, and their classes


def learn(
    net: StagedClassifier,
    loss,
    given: Tensor,
    targets: Tensor,
    batches,
    *,
    choosing: Labelled,
    every: int,
    rate: float,
    decay: float,
    seed: int,
    augment: str | None = None,
) -> tuple[StagedClassifier, dict]:
    """Train `net`; its best of every `every` steps by accuracy on `choosing`, and that step and accuracy."""
    history = train(
        net.read,
        loss,
        given,
        targets,
        batches,
        learning_rate=rate,
        weight_decay=decay,
        augment=augment,
        validate=lambda net: {"accuracy": accuracy(net, *choosing)},
        validate_every=every,
        keep_best="accuracy",
        seed=seed,
        device="cpu",
        progress=False,
    )
    step = history[-1]["best_step"]
    return net.eval(), {"validation_accuracy": history[step]["accuracy"], "step": step}


def accuracy(net: nn.Module, given: Tensor, labels: Tensor) -> float:
    return (read_all(net, given).logits.argmax(dim=1) == labels).double().mean().item()


def judged(kept: dict) -> dict:
    """The row of a search: classifiers are compared by accuracy, under the name that searches compare."""
    return kept | {"validation_map_at_r": kept["validation_accuracy"]}
