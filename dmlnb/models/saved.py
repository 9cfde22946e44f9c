"""A finished embedding network in one file: its tensors, and the few words that say how to build it again.

The words are names of this package's own constructors and plain arguments. Nothing in the file is run when it is
opened, so a stranger's file can do no harm.
"""

import inspect
import json
import os
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import torch
from torch import nn

from dmlnb._files import load_tensors, save_tensors
from dmlnb.models.network import EmbeddingNet

BACKBONES = ("small_resnet", "torchvision_backbone", "lite0_backbone", "timm_backbone")
POOLINGS = (
    "GlobalAveragePooling",
    "GlobalMaxPooling",
    "GeneralizedMeanPooling",
    "AttentionPooling",
    "HistogramPooling",
    "GeneralizedSumPooling",
)
Part = tuple[str, Mapping[str, object]]
_KIND = "embedder"
_MEND = "for any other network leave backbone and pooling out and pass build=, a function that makes it"


def save_embedder(
    path: str | os.PathLike,
    net: nn.Module,
    backbone: Part | None = None,
    pooling: Part | None = None,
    *,
    build: Callable[[], nn.Module] | None = None,
    notes: Mapping[str, object] | None = None,
) -> None:
    """Write a network to `path`, so that `load_embedder` makes it again without the code that trained it.

        save_embedder("birds.safetensors", net, ("small_resnet", {"in_channels": 3}),
                      ("GeneralizedSumPooling", {"dim": 64, "mass": 0.3}))

    The network is built once from what is said here and compared with `net`, tensor by tensor and setting by setting,
    before anything is written.

    Args:
        path: a file; its folder is made, `~` is the home folder.
        net: an `EmbeddingNet`, or what `build` makes.
        backbone: name of a function of `dmlnb.models` and its arguments; `weights` are left out, they are in the file.
        pooling: name of a pooling of `dmlnb.pooling` and its arguments.
        build: for other networks, a function that makes one of the same shape; it is not stored.
        notes: plain values to keep beside it (numbers, words, lists of them), such as the image size.

    Raises:
        ValueError: for an unknown name, values that JSON lacks, or a network that is not the one described.
        OSError: if the file cannot be written; what was there stays.
    """
    if build is None:
        if not isinstance(net, EmbeddingNet) or backbone is None or pooling is None:
            kind = type(net).__name__
            raise ValueError(
                f"net, backbone, pooling: expected an EmbeddingNet and its two parts, got {kind}; {_MEND}"
            )
        name, arguments = backbone
        backbone = (name, {key: value for key, value in dict(arguments).items() if key != "weights"})
        linear = net.linear.weight
        recipe = {"backbone": backbone, "pooling": pooling, "dim": len(linear), "project": net.project}
    else:
        recipe = None
    try:
        words = {"recipe": json.dumps(recipe), "notes": json.dumps(dict(notes or {}))}
    except TypeError as error:
        raise ValueError(f"backbone, pooling, notes: expected plain values ({error})") from None
    _require_same(net, _build(json.loads(words["recipe"]), build))
    save_tensors(path, _KIND, net.state_dict(), words)


def load_embedder(
    path: str | os.PathLike, *, build: Callable[[], nn.Module] | None = None
) -> tuple[nn.Module, dict[str, object]]:
    """The network that `save_embedder` wrote, in evaluation mode on the CPU, and its notes.

    Args:
        path: the file.
        build: the function that makes the network, if it was saved with one.

    Returns:
        The network, in the dtype it was saved in, and the notes.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no whole file, no embedder, or if it needs (or does not fit) `build`.
    """
    tensors, words = load_tensors(path, _KIND)
    recipe = json.loads(words["recipe"])
    if recipe is None and build is None:
        raise ValueError(
            f"build: expected the function that makes the network of {path}, which the file does not describe"
        )
    net = _build(recipe, build)
    try:
        net.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        raise ValueError(
            f"path, build: expected tensors that fit the network, got others in {path}: {error}"
        ) from None
    return net.eval(), json.loads(words["notes"])


def _build(recipe: Any, build: Callable[[], nn.Module] | None) -> nn.Module:
    """A network as described, or as `build` makes it; the random numbers of the program stay where they are."""
    with torch.random.fork_rng(devices=[]):
        if recipe is None and build is not None:
            return build()
        from dmlnb import models, pooling  # the rooms as they are when all their files are loaded

        backbone = _make("backbone", models, BACKBONES, recipe["backbone"])
        pooled = _make("pooling", pooling, POOLINGS, recipe["pooling"])
        return EmbeddingNet(backbone, pooled, recipe["dim"], project=recipe["project"])


def _make(role: str, room: ModuleType, names: tuple[str, ...], part: Part) -> nn.Module:
    name, arguments = part
    if name not in names or not hasattr(room, name):
        known = ", ".join(n for n in names if hasattr(room, n))
        raise ValueError(f"{role}: expected one of {known}; got {name!r}; {_MEND}")
    make, arguments = getattr(room, name), dict(arguments)
    outside = [key for key in arguments if key.startswith(("pretrained", "checkpoint"))]
    if outside or (":" in str(arguments.get("name"))):  # timm would read other files, or download them
        raise ValueError(f"{role}: expected arguments that need no other file, got {arguments}")
    if "weights" in inspect.signature(make).parameters:
        arguments["weights"] = None
    try:
        return make(**arguments)
    except TypeError as error:
        raise ValueError(f"{role}: expected arguments of {name}, got {arguments} ({error})") from None


def _require_same(net: nn.Module, built: nn.Module) -> None:
    """Raise ValueError unless the two differ in nothing but the values of their tensors."""
    if isinstance(built, nn.Module):
        shapes = [{key: tuple(value.shape) for key, value in n.state_dict().items()} for n in (net, built)]
        differ = sorted(
            key for key in shapes[0].keys() | shapes[1] if shapes[0].get(key) != shapes[1].get(key)
        )
        if differ:
            got, said = (shape.get(differ[0], "nothing") for shape in shapes)
            raise ValueError(f"net: expected the network that is described; {differ[0]} is {got}, not {said}")
        parts = [dict(n.named_modules()) for n in (net, built)]
        for name in parts[0].keys() | parts[1]:
            mine, theirs = (_settings(p.get(name)) for p in parts)
            for key in mine.keys() | theirs:
                if mine.get(key) != theirs.get(key):
                    where = f"{name}.{key}".lstrip(".")
                    raise ValueError(
                        f"net: expected the network that is described; its {where} is {mine.get(key)!r}, "
                        f"not {theirs.get(key)!r}"
                    )
        return
    raise ValueError(f"build: expected a function that makes a module, got {type(built).__name__} from it")


def _settings(module: nn.Module | None) -> dict[str, object]:
    """The plain values that a module holds beside its tensors, and its class."""
    if module is None:
        return {}
    plain: dict[str, object] = {
        key: value
        for key, value in vars(module).items()
        if isinstance(value, bool | int | float | str | tuple | None)
        and not key.startswith("_")
        and key != "training"
    }
    return plain | {"class": type(module).__name__}
