"""The stamp of a run: what it is, as a small dict that a checkpoint carries, so that no other run goes on from it."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from dmlnb.data.loading import Images, index_of, reads_batches
from dmlnb.data.names import digest, name_of, same_name, sample_of, without_digests
from dmlnb.training.held import loss_module


def describe_run(
    net: nn.Module,
    loss: Callable,
    images: Images,
    labels: Tensor | None,
    batches: Sequence[Tensor],
    settings: Mapping[str, object],
) -> dict:
    """Everything on which the outcome of a run depends, as far as it can be named.

    Args:
        net, loss, images, labels, batches: as in `dmlnb.training.train`, before the first step.
        settings: further numbers, names and functions by name.

    Returns:
        A dict that JSON can hold: the settings; the data's size, with digests of labels, batches and some images; class
        and plain attributes of each module of network and loss.
    """
    data: dict[str, object] = {
        "images": f"{len(images)} of shape {tuple(images.shape[1:])}"
        if hasattr(images, "shape")
        else len(images)
    }
    if reads_batches(images):
        data["images' values"] = digest([images[sample_of(len(images))]])
    else:
        data["transform"] = name_of(getattr(images, "transform", None))
        names = "/".join(Path(path).name for path in getattr(images, "paths", []))  # the folder may be moved
        data["files"] = (
            digest([torch.frombuffer(bytearray(os.fsencode(names)), dtype=torch.uint8)]) if names else None
        )
    run = {name: name_of(value) for name, value in settings.items()}
    run |= {"steps": len(batches), **data, "labels": labels if labels is None else digest([labels])}
    run |= {"batches": digest(index_of(batches, step, len(images)).long() for step in range(len(batches)))}
    name = name_of(loss)  # of a module, the attributes stand in the structure
    run |= {"loss": without_digests(name) if isinstance(loss, nn.Module) else name}
    run |= _structure("net", net) | _structure("loss", loss_module(loss, net))
    return json.loads(json.dumps(run))


def difference(there: dict, here: dict) -> str:
    """The first differences of two stamps in words, `seed: 0 there, 7 here`; empty if there is none."""
    names = [name for name in {**here, **there} if not same_name(there.get(name), here.get(name))]
    words = [f"{name}: {there.get(name)} there, {here.get(name)} here" for name in names[:3]]
    return "; ".join(words) + (f"; and {len(names) - 3} more" if len(names) > 3 else "")


def _structure(name: str, module: nn.Module | None) -> dict[str, str]:
    """Of each module: class, plain attributes, and the dtype of its parameters."""
    found = {}
    for path, part in module.named_modules() if module is not None else ():
        plain = {k: v for k, v in vars(part).items() if not k.startswith("_") and k != "training"}
        words = [
            f"{k}={v}" for k, v in plain.items() if isinstance(v, str | bool | int | float | None | tuple)
        ]
        words += [str(p.dtype) for p in [*part.parameters(recurse=False)][:1]]
        text = f"{type(part).__name__}({', '.join(text for text in words if ' at 0x' not in text)})"
        found[f"{name}.{path}".rstrip(".")] = text
    return found
