"""What the transport costs: Generalized Sum Pooling beside the same layer with a softmax in its place.

    OMP_NUM_THREADS=2 python -m timings.gsp

prints a table; nothing is written. See timings/README.md for how to read it.
"""

import math
import sys
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from dmlnb.pooling.attention import AttentionPooling
from dmlnb.pooling.costs import prototype_costs
from dmlnb.pooling.gsp import GeneralizedSumPooling
from dmlnb.pooling.transport import partial_transport
from timings._clock import milliseconds


def forward_backward(
    layer: torch.nn.Module, features: Tensor, *, attributes: bool = False
) -> Callable[[], None]:
    def step() -> None:
        features.grad = layer.prototypes.grad = None
        if attributes:
            pooled = layer.pool(features)
            (pooled.vector.square().sum() + pooled.attributes.square().sum()).backward()
        else:
            layer(features).square().sum().backward()

    return step


def unrolled_weights(cost: Tensor, mass: float, sharpness: float, steps: int = 100) -> Tensor:
    """Gates by the fixed-point iteration in the log domain, for autograd to walk back through: (B, n)."""
    n = cost.shape[2]
    scores = torch.logsumexp(-sharpness * cost, dim=1)
    tau = torch.zeros(len(cost), 1)
    for _ in range(steps):
        load = torch.logsumexp(logsigmoid(tau + scores) - tau, dim=1, keepdim=True)
        tau = math.log(mass) + math.log(n) - load
    return torch.sigmoid(tau + scores) / (n * mass)


def kept_for_backward(function: Callable[[Tensor], Tensor], argument: Tensor) -> int:
    """Bytes that autograd holds between forward and backward, the argument included."""
    sizes = {}

    def note(tensor: Tensor) -> Tensor:
        sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        result = function(argument)
    del result
    return sum(sizes.values())


class ReleasedTransport(torch.autograd.Function):
    """The layer as released: 100 steps of the fixed point on kernels, not logs, and its closed gradient."""

    @staticmethod
    def forward(ctx, cost: Tensor, mass: float, sharpness: float) -> tuple[Tensor, Tensor]:
        kernel, n = torch.exp(-sharpness * cost), cost.shape[2]
        total, scale = kernel.sum(dim=1), torch.ones(len(cost), 1)
        for _ in range(100):
            residual = 1 / (n * (1 + scale * total))
            scale = mass / (total * residual).sum(dim=1, keepdim=True)
        plan = scale[:, :, None] * kernel * residual[:, None, :]
        ctx.save_for_backward(plan, residual)
        ctx.mass, ctx.sharpness = mass, sharpness
        return plan, residual

    @staticmethod
    def backward(ctx, of_plan: Tensor, of_residual: Tensor) -> tuple[Tensor, None, None]:
        (plan, residual), n = ctx.saved_tensors, ctx.saved_tensors[0].shape[2]
        stayed, shipped = residual * of_residual, plan * of_plan
        q = stayed + shipped.sum(dim=1)
        eta = n * (q * residual).sum(dim=1) - stayed.sum(dim=1)
        eta = eta / (1 - ctx.mass - n * residual.square().sum(dim=1))
        of_token = n * (q + eta[:, None] * residual)
        return -ctx.sharpness * (shipped - of_token[:, None, :] * plan), None, None


def main(quick: bool = False) -> None:
    torch.manual_seed(0)
    size, dim, m = (128, 128, 7, 7), 128, 64
    rounds = 1 if quick else 30
    features = torch.randn(size, requires_grad=True)
    gsp, softmax = GeneralizedSumPooling(dim, m), AttentionPooling(dim, m)
    softmax.prototypes.data.copy_(gsp.prototypes.data)
    print(
        f"features {size}, m = {m}, mass 0.3, sharpness 5, {torch.get_num_threads()} threads, ms of processor time\n"
        "forward + backward\n"
    )
    took = milliseconds(
        {
            "softmax": forward_backward(softmax, features),
            "GSP": forward_backward(gsp, features),
            "softmax, attributes": forward_backward(softmax, features, attributes=True),
            "GSP, attributes": forward_backward(gsp, features, attributes=True),
        },
        rounds,
    )
    a, b, c, d = took.values()
    print(f"softmax over tokens          {a:7.2f} ms        with attributes {c:7.2f} ms")
    print(f"GSP                          {b:7.2f} ms        with attributes {d:7.2f} ms")
    print(f"ratio                        {b / a:7.2f}                           {d / c:7.2f}\n")

    cost = prototype_costs(features, gsp.prototypes).detach().requires_grad_()
    of_weights, of_plan = torch.randn(128, 49), torch.randn(128, m, 49)

    def exact(whole: bool) -> Callable[[], None]:
        def step() -> None:
            cost.grad = None
            found = partial_transport(cost, 0.3, 5.0)
            torch.autograd.backward(
                [found.weights, found.plan] if whole else [found.weights],
                [of_weights, of_plan] if whole else [of_weights],
            )

        return step

    def released() -> None:
        cost.grad = None
        torch.autograd.backward(ReleasedTransport.apply(cost, 0.3, 5.0), [of_plan, -of_weights / 0.3])

    def unrolled() -> None:
        cost.grad = None
        unrolled_weights(cost, 0.3, 5.0).backward(of_weights)

    steps = {
        "weights": exact(False),
        "weights, plan": exact(True),
        "released": released,
        "unrolled": unrolled,
    }
    took = milliseconds(steps, rounds)
    print(f"transport: weights           {took['weights']:7.2f} ms")
    print(f"transport: weights and plan  {took['weights, plan']:7.2f} ms")
    for name in ("released", "unrolled"):
        ratios = (took["weights"] / took[name], took["weights, plan"] / took[name])
        print(
            f"{name:10s}                   {took[name]:7.2f} ms        ratios {ratios[0]:.2f}, {ratios[1]:.2f}"
        )

    print("\nNewton steps of the slowest of 128 images")
    print("sharpness    " + "".join(f"{sharpness:>8g}" for sharpness in (0.5, 5, 20, 100, 1000)))
    for mass in (0.05, 0.3, 0.5, 0.9):
        steps = [partial_transport(cost, mass, sharpness).iterations for sharpness in (0.5, 5, 20, 100, 1000)]
        print(f"mass {mass:<8}" + "".join(f"{count:8d}" for count in steps))

    print(
        "\nkept for the backward pass of the transport, with the bytes for each number of the (B, m, n) costs"
    )
    for shape in ((32, 64, 49), (128, 64, 49), (128, 64, 196), (128, 256, 49)):
        cost = (2 * torch.rand(shape)).requires_grad_()
        kept = kept_for_backward(lambda cost: partial_transport(cost, 0.3, 5.0).plan.sum(), cost)
        print(f"{shape!s:>16}  {kept / 2**20:7.1f} MiB  {kept / cost.numel():6.1f}")


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])
