"""Processes of their own for tests: one that measures or dies, or several that train together as under torchrun.

They are forked from a server that has run nothing: whatever threads and memory the tests before have left behind,
backward works in a process of its own, and its peak of memory is its own.
"""

import multiprocessing
import os
import time
import traceback
from typing import NamedTuple

import pytest
import torch
import torch.distributed as dist
from filelock import FileLock

from dmlnb.training import distributed

fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
clean = multiprocessing.get_context("forkserver" if hasattr(os, "fork") else "spawn")
clean.set_forkserver_preload(  # what most of them need; optimizers import the last
    ["pytest", "dmlnb.course", "dmlnb.training", "torch._dynamo"]
)
SECONDS = 180  # after which a process that hangs is ended, and its exit code is -9


class Ended(NamedTuple):
    """How one process ended: what the job gave, the last line that it said, its exit code."""

    result: object
    said: str
    code: int


def together(job, folder, *given, size: int = 2, seconds: float = SECONDS, minutes: float = 2) -> list[Ended]:
    """Call `job(rank, *given)`, a function that can be imported, in `size` processes; `minutes` as for `start`."""
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    targets = [(rank, size, store.port, str(folder), minutes, job, given) for rank in range(size)]
    processes = [clean.Process(target=_one, args=target) for target in targets]
    for process in processes:
        process.start()
    end = time.monotonic() + seconds
    for process in processes:
        process.join(max(0.0, end - time.monotonic()))
        if process.exitcode is None:
            process.kill()
            process.join()
    found = []
    for rank, process in enumerate(processes):
        result, said = (os.path.join(folder, f"{rank}.{kind}") for kind in ("pt", "txt"))
        given_back = torch.load(result, weights_only=False) if os.path.exists(result) else None
        with open(said, encoding="utf-8") as file:
            found.append(Ended(given_back, file.read().strip(), process.exitcode))
    return found


def once(tmp_path_factory, name: str, make):
    """`make(folder)`, computed by the first worker of a test run that asks; the others wait and read what it found."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / name
    with FileLock(f"{folder}.lock"):
        if not (folder / "found.pt").exists():
            folder.mkdir(exist_ok=True)
            torch.save(make(folder), folder / "found.pt")
    return torch.load(folder / "found.pt", weights_only=False)


def _one(rank, size, port, folder, minutes, job, given):
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ |= {"TORCHELASTIC_USE_AGENT_STORE": "True"}  # where they meet outlives them
    with open(os.path.join(folder, f"{rank}.txt"), "w", encoding="utf-8") as said:
        os.dup2(said.fileno(), 2)
        try:
            assert distributed.start(minutes) == (rank, size)
            torch.save(job(rank, *given), os.path.join(folder, f"{rank}.pt"))
        except Exception as error:
            said.write(traceback.format_exception_only(error)[-1].strip())
            said.flush()
            os._exit(1)
        except SystemExit as leave:
            said.flush()
            os._exit(leave.code)
        os._exit(0)
