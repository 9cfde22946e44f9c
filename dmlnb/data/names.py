"""Names of functions, transforms and values: the same in every process, and others for other code.

    name_of(photo_transforms(224))          # "Compose( Resize(size=[256], …": what its repr says is enough
    name_of(lambda image: image.rotate(5))  # "<lambda> #1f0c5a33e79b": what its name leaves out is told by a digest

A digest of code holds for one version of Python.
"""

import dis
import functools
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import CodeType, FunctionType, MethodType, ModuleType

import numpy as np
import torch
from torch import Tensor, nn

SAMPLES = 16  # images that are looked at to tell one data set from another
_KNOWN = {"dmlnb", "torch", "torchvision"}  # packages of whose objects the repr says enough


def name_of(thing: object) -> object:
    """Plain values as they are; functions, transforms and other objects by a name that is the same in every process.

    What a plain name does not tell apart follows as a digest: the code of functions (as this version of Python
    compiles it) with the values that they read from outside, and the attributes of objects. No part of a name are
    parameters, and lists and dicts that a function reads from outside.
    """
    return _name(thing, set())


def same_name(there: object, here: object) -> bool:
    """Whether two names are of one thing; a name without digests, as older versions wrote it, fits them all."""
    line = lambda name: " ".join(repr(name).replace("\\n", " ").split())
    return there == here or line(there) in (line(here), line(without_digests(here)))


def without_digests(name: object) -> object:
    """A name as far as it can be read."""
    if isinstance(name, Mapping):
        return {key: without_digests(value) for key, value in name.items()}
    if isinstance(name, list):
        return [without_digests(value) for value in name]
    return re.sub(r" #[0-9a-f]{12}\b", "", name) if isinstance(name, str) else name


def digest(tensors: Iterable[Tensor]) -> str:
    """Twelve hexadecimal digits of shapes, dtypes and values."""
    found = hashlib.sha256()
    for tensor in tensors:
        flat = tensor.detach().cpu().contiguous()
        found.update(f"{tuple(flat.shape)} {flat.dtype}".encode())
        found.update(flat.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()[:12]


def sample_of(images: int) -> Tensor:
    """Indices of the images that are looked at, spread over all of them."""
    return torch.linspace(0, images - 1, min(SAMPLES, images)).long()


def globals_of(code: CodeType) -> list[str]:
    """Names that code, or a function inside of it, looks up outside of all functions; each once, in their order."""
    own = [step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"]
    inner = [name for part in code.co_consts if isinstance(part, CodeType) for name in globals_of(part)]
    return [*dict.fromkeys(own + inner)]


def _name(thing: object, seen: set[int]) -> object:
    """`name_of`; of what is `seen` already, as in a circle, the plain name alone."""
    if isinstance(thing, np.generic):
        thing = thing.item()
    if thing is None or isinstance(thing, str | bool | int | float):
        return thing
    if isinstance(thing, Mapping):
        return {str(key): _name(value, seen) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [_name(value, seen) for value in thing]
    if isinstance(thing, set | frozenset):
        return sorted(str(_name(value, seen)) for value in thing)  # the order changes from process to process
    if isinstance(thing, functools.partial):
        return [_name(part, seen) for part in (thing.func, thing.args, thing.keywords)]
    plain = getattr(thing, "__name__", None) or repr(thing)
    hidden = " at 0x" in plain or isinstance(thing, Tensor | np.ndarray)
    plain = type(thing).__name__ if hidden else " ".join(plain.split())
    unsaid = repr([*_unsaid(thing, _package(thing) in _KNOWN and not hidden, seen)])
    return plain if unsaid == "[]" else f"{plain} #{hashlib.sha256(unsaid.encode()).hexdigest()[:12]}"


def _unsaid(thing: object, known: bool, seen: set[int]) -> Iterator[object]:
    """What the plain name of a thing leaves out, part by part; of what is known, only what is no part of its repr."""
    if isinstance(thing, Tensor):
        if not thing.requires_grad:
            yield digest([thing])
    elif isinstance(thing, np.ndarray):
        values = repr(thing.tolist()).encode() if thing.dtype.hasobject else thing.tobytes()
        yield thing.dtype.str, thing.shape, hashlib.sha256(values).hexdigest()
    elif not isinstance(thing, type | ModuleType) and id(thing) not in seen:
        seen.add(id(thing))
        if isinstance(thing, FunctionType) and not known:
            yield _instructions(thing.__code__)
        said = " ".join(repr(thing).split())
        for key, value in _held(thing, known):
            name = _name(value, seen)
            inside = callable(value) and not isinstance(thing, FunctionType) and str(name) not in said
            if not known or inside or without_digests(name) != name:
                yield key, name


def _package(thing: object) -> str:
    """The package that a function, or the class of an object, is written in."""
    module = thing.__globals__.get("__name__") if isinstance(thing, FunctionType) else type(thing).__module__
    return str(module).partition(".")[0]


def _held(thing: object, known: bool) -> Iterator[tuple[str, object]]:
    """What a thing computes with: values that a function reads from outside, attributes of an object."""
    if isinstance(thing, FunctionType):
        outside = {} if known else {name: thing.__globals__.get(name) for name in globals_of(thing.__code__)}
        for name, cell in zip(thing.__code__.co_freevars, thing.__closure__ or (), strict=True):
            try:
                outside[name] = cell.cell_contents
            except ValueError:  # not yet bound
                continue
        if not known:
            yield "defaults", [thing.__defaults__, thing.__kwdefaults__]
        # lists and the like may grow from call to call, as a log does
        fixed = str | bool | int | float | tuple | Tensor | np.ndarray | Callable
        yield from ((name, value) for name, value in sorted(outside.items()) if isinstance(value, fixed))
    elif isinstance(thing, MethodType):
        yield from (("function", thing.__func__), ("self", thing.__self__))
    else:
        if not known:
            steps = (getattr(type(thing), step, None) for step in ("__call__", "forward"))
            yield from (("code", step) for step in steps if isinstance(step, FunctionType))
        inner = vars(nn.Module()) if isinstance(thing, nn.Module) else {}  # training, parameters, hooks
        own = {key: value for key, value in getattr(thing, "__dict__", {}).items() if key not in inner}
        own |= thing._modules if isinstance(thing, nn.Module) else {}
        yield from (
            (k, v) for k, v in sorted(own.items()) if not (known and isinstance(v, Tensor | np.ndarray))
        )


def _instructions(code: CodeType) -> list:
    """Code without the file, the lines and the names of variables."""
    constants = [
        _instructions(value)
        if isinstance(value, CodeType)
        else sorted(map(repr, value))
        if isinstance(value, frozenset)  # the order changes from process to process
        else repr(value)
        for value in code.co_consts
    ]
    return [code.co_code.hex(), code.co_names, constants]
