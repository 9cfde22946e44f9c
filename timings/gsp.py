"""What the transport costs: Generalized Sum Pooling beside the same layer with a softmax in its place.

    OMP_NUM_THREADS=2 python -m timings.gsp

prints a table; nothing is written. See timings/README.md for how to read it.
"""

import math
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from dmlnb.pooling.attention import AttentionPooling
from dmlnb.pooling.costs import prototype_costs
from dmlnb.pooling.gsp import GeneralizedSumPooling
from dmlnb.pooling.transport import partial_transport


def milliseconds(*steps: Callable[[], None], rounds: int = 30) -> list[float]:
    """Median time of each step. They take turns, so that a slow moment of the machine hits all of them."""
    times = [[] for _ in steps]
    for round_ in range(rounds + 3):
        for step, record in zip(steps, times, strict=True):
            start = time.perf_counter()
            step()
            if round_ >= 3:
                record.append(1000 * (time.perf_counter() - start))
    return [statistics.median(record) for record in times]


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


def main() -> None:
    torch.manual_seed(0)
    size, dim, m = (128, 128, 7, 7), 128, 64
    features = torch.randn(size, requires_grad=True)
    gsp, softmax = GeneralizedSumPooling(dim, m), AttentionPooling(dim, m)
    softmax.prototypes.data.copy_(gsp.prototypes.data)
    print(
        f"features {size}, m = {m}, mass 0.3, sharpness 5, {torch.get_num_threads()} threads\n"
        "forward + backward\n"
    )

    a, b, c, d = milliseconds(
        forward_backward(softmax, features),
        forward_backward(gsp, features),
        forward_backward(softmax, features, attributes=True),
        forward_backward(gsp, features, attributes=True),
    )
    print(f"softmax over tokens          {a:7.2f} ms        with attributes {c:7.2f} ms")
    print(f"GSP                          {b:7.2f} ms        with attributes {d:7.2f} ms")
    print(f"ratio                        {b / a:7.2f}                           {d / c:7.2f}\n")

    cost = prototype_costs(features, gsp.prototypes).detach().requires_grad_()
    upstream = torch.randn(128, 49)
    a, b = milliseconds(
        lambda: (partial_transport(cost, 0.3, 5.0).weights * upstream).sum().backward(),
        lambda: (unrolled_weights(cost, 0.3, 5.0) * upstream).sum().backward(),
        rounds=10,
    )
    print(f"transport, exact gradient    {a:7.2f} ms")
    print(f"100 unrolled steps           {b:7.2f} ms")
    print(f"ratio                        {b / a:7.2f}\n")

    print("Newton steps of the slowest of 128 images")
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
    main()
