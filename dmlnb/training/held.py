"""What a loss brings with it: the modules and parameters that it holds, however it is handed over.

A loss that is a module says itself what it learns. A lambda, a partial, a bound method or a function does not: its
parameters are found by looking where Python keeps what a function uses, and the first step checks that none was missed.
"""

import functools
import sys
import types
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

from dmlnb.data.names import globals_of


def modules_of(loss: Callable | None) -> list[nn.Module | nn.Parameter]:
    """The modules and bare parameters that a callable holds, in a fixed order, each once.

    They are looked for in closures, default values, the globals that the code names, the arguments of a partial, the
    owner of a bound method, the attributes of a callable object, and in lists, tuples and dicts of all these.

    Args:
        loss: any callable.

    Returns:
        The modules (not what is inside them) and the parameters outside of modules.
    """
    return list(_walk(loss, set()))


def loss_module(loss: Callable | None, net: nn.Module) -> nn.Module | None:
    """What is trained and saved of a loss beside its network: itself if it is a module, else a list of what it holds.

    Left out is what belongs to `net`, and what is only used: modules in evaluation mode and frozen parameters.

    Returns:
        The module, or None if there is nothing.
    """
    if loss is None or isinstance(loss, nn.Module):
        return loss
    inside = {id(part) for part in (*net.modules(), *net.parameters())}
    found = [part for held in modules_of(loss) for part in _outside(held, inside)]
    modules = [part for part in found if isinstance(part, nn.Module) and part.training]
    contained = {id(child) for part in modules for child in part.modules() if child is not part}
    modules = [part for part in modules if id(part) not in contained]
    owned = {id(p) for part in modules for p in part.parameters()}
    bare = [p for p in found if isinstance(p, nn.Parameter) and p.requires_grad and id(p) not in owned]
    return nn.ModuleList([*modules, *([nn.ParameterList(bare)] if bare else [])]) if modules or bare else None


def only_used(loss: nn.Module | None, net: nn.Module) -> list[nn.Module]:
    """What stands in evaluation mode inside a loss that is in training mode, the network's own parts aside.

    Such a part, a frozen teacher say, is used as it is: it keeps its mode and its parameters.
    """
    if loss is None or not loss.training:  # as a whole it was only left so by an evaluation
        return []
    own = {id(part) for part in net.modules()}
    return [part for part in loss.modules() if not part.training and id(part) not in own]


def learned_parameters(loss: nn.Module | None, net: nn.Module) -> list[nn.Parameter]:
    """The parameters of a loss that are trained beside the network's: not frozen, and of no part that is only used."""
    held = [*net.parameters()] + [p for part in only_used(loss, net) for p in part.parameters()]
    left_out = {id(p) for p in held}
    found = [] if loss is None else loss.parameters()
    return [p for p in found if p.requires_grad and id(p) not in left_out]


def require_all_trained(value: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """Raise ValueError if a loss's value is no scalar, or depends on a tensor that wants a gradient but is not trained.

    Args:
        value: of the loss, with its graph.
        optimizer: of all that is trained.
    """
    if not isinstance(value, Tensor) or value.numel() != 1:
        got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"loss: expected one number as a tensor, got {got}")
    if not value.requires_grad:
        raise ValueError("loss: expected a value that depends on what is trained, got one without gradient")
    trained = {id(p) for group in optimizer.param_groups for p in group["params"]}
    seen, waiting = set(), [value.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        leaf = getattr(node, "variable", None)  # of the nodes that end the graph in a tensor
        if leaf is not None and id(leaf) not in trained:
            raise ValueError(
                f"loss: it uses a tensor of shape {tuple(leaf.shape)} that wants a gradient but would not be trained; "
                "hand over the module that owns it as the loss (in training mode), or freeze it: requires_grad_(False)"
            )
        waiting.extend(before for before, _ in node.next_functions)


def _walk(thing: object, seen: set[int]) -> Iterator[nn.Module | nn.Parameter]:
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, nn.Module | nn.Parameter):
        yield thing
        return
    for part in _parts(thing):
        yield from _walk(part, seen)


def _parts(thing: object) -> list:
    """What one object uses."""
    if isinstance(thing, types.FunctionType):
        cells = [cell.cell_contents for cell in thing.__closure__ or () if _filled(cell)]
        defaults = [*(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).values()]
        names = () if _installed(thing) else globals_of(thing.__code__)
        used = [thing.__globals__[name] for name in names if name in thing.__globals__]
        return [*cells, *defaults, *used, *vars(thing).values()]
    if isinstance(thing, functools.partial):
        return [thing.func, *thing.args, *thing.keywords.values()]
    if isinstance(thing, types.MethodType):
        return [thing.__self__, thing.__func__, *getattr(thing.__self__, "__dict__", {}).values()]
    if isinstance(thing, Mapping):
        return [*thing.values()]
    if isinstance(thing, list | tuple):
        return [*thing]
    if callable(thing) and not isinstance(thing, type):
        return [*getattr(thing, "__dict__", {}).values(), type(thing).__call__]
    return []


def _installed(function: types.FunctionType) -> bool:
    """Whether a function belongs to an installed library, whose globals hold nothing of the user's."""
    root = (function.__module__ or "").partition(".")[0]
    return "site-packages" in function.__code__.co_filename or root in sys.stdlib_module_names - {"__main__"}


def _filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - asks whether there is one
    except ValueError:
        return False
    return True


def _outside(part: nn.Module | nn.Parameter, inside: set[int]) -> list[nn.Module | nn.Parameter]:
    """The part, or what remains of it, without what is inside the network."""
    if id(part) in inside:
        return []
    if isinstance(part, nn.Parameter) or not any(id(p) in inside for p in part.parameters()):
        return [part]
    pieces: list[nn.Module | nn.Parameter] = [*part.parameters(recurse=False), *part.children()]
    return [rest for piece in pieces for rest in _outside(piece, inside)]
