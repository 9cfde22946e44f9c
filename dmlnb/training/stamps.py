"""The stamp of a run: what it is, as a small dict that a checkpoint carries, so that no other run goes on from it."""

import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from dmlnb.data.loading import Images, index_of, reads_batches
from dmlnb.training.held import loss_module

SAMPLES = 16  # images that are looked at to tell one data set from another


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
        index = torch.linspace(0, len(images) - 1, min(SAMPLES, len(images))).long()
        data["images' values"] = digest([images[index]])
    else:
        data["transform"] = name_of(getattr(images, "transform", None))
        names = "/".join(Path(path).name for path in getattr(images, "paths", []))  # the folder may be moved
        data["files"] = (
            digest([torch.frombuffer(bytearray(os.fsencode(names)), dtype=torch.uint8)]) if names else None
        )
    run = {name: name_of(value) for name, value in settings.items()}
    run |= {"steps": len(batches), **data, "labels": labels if labels is None else digest([labels])}
    run |= {"batches": digest(index_of(batches, step, len(images)).long() for step in range(len(batches)))}
    run |= {"loss": name_of(loss)} | _structure("net", net) | _structure("loss", loss_module(loss, net))
    return json.loads(json.dumps(run))


def difference(there: dict, here: dict) -> str:
    """The first differences of two stamps in words, `seed: 0 there, 7 here`; empty if there is none."""
    names = [name for name in {**here, **there} if there.get(name) != here.get(name)]
    words = [f"{name}: {there.get(name)} there, {here.get(name)} here" for name in names[:3]]
    return "; ".join(words) + (f"; and {len(names) - 3} more" if len(names) > 3 else "")


def digest(tensors: Iterable[Tensor]) -> str:
    """Twelve hexadecimal digits of shapes, dtypes and values."""
    found = hashlib.sha256()
    for tensor in tensors:
        flat = tensor.detach().cpu().contiguous()
        found.update(f"{tuple(flat.shape)} {flat.dtype}".encode())
        found.update(flat.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()[:12]


def name_of(thing: object) -> object:
    """Plain values as they are; functions, transforms and other objects by a name that is the same in every process."""
    if isinstance(thing, np.generic):
        thing = thing.item()
    if thing is None or isinstance(thing, str | bool | int | float):
        return thing
    if isinstance(thing, Mapping):
        return {str(key): name_of(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [name_of(value) for value in thing]
    if isinstance(thing, functools.partial):
        return [name_of(thing.func), name_of(thing.args), name_of(thing.keywords)]
    plain = getattr(thing, "__name__", None) or repr(thing)
    return type(thing).__name__ if " at 0x" in plain or isinstance(thing, Tensor) else " ".join(plain.split())


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
