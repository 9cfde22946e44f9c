"""Nothing that the package opens is run: no pickle, no eval, no archive unpacked unseen, no shell.

Escaped HTML is tested in `tests/explore/test_rows.py` and `test_explorer.py`, archives in `tests/data/test_fetch.py`.
"""

import ast
import io
import os
from pathlib import Path

import pytest
import torch

import dmlnb
from dmlnb.data import FeatureMaps
from dmlnb.models import load_embedder, small_resnet, timm_backbone
from dmlnb.retrieval import Index
from dmlnb.training import load_checkpoint

PICKLES = {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def unsafe(source):
    """What in a program may run code out of a file, or unpack or start something unseen."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = (
                [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            )
            found += [name for name in names if name.split(".")[0] in PICKLES]
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            given = {word.arg: ast.unparse(word.value) for word in node.keywords}
            found += [name] if name in ("eval", "exec", "os.system") or name.endswith(".extractall") else []
            found += [name] if name == "torch.load" and given.get("weights_only") != "True" else []
            found += [
                f"{name}({k}=True)" for k in ("shell", "allow_pickle") if given.get(k, "False") != "False"
            ]
    return found


def test_the_package_holds_nothing_that_runs_a_file():
    files = sorted(Path(dmlnb.__file__).parent.rglob("*.py"))
    wrong = {file.name: unsafe(file.read_text(encoding="utf-8")) for file in files}
    assert len(files) > 90 and {name: found for name, found in wrong.items() if found} == {}


@pytest.mark.parametrize("source", [
    "import pickle", "from joblib import load", "eval(x)", "tar.extractall()", "torch.load(f)", "os.system(x)",
    "torch.load(f, weights_only=False)", "np.load(f, allow_pickle=True)", "subprocess.run(x, shell=True)",
])  # fmt: skip
def test_what_is_unsafe_is_caught(source):
    assert unsafe(source)


def test_what_is_safe_passes():
    assert unsafe("torch.load(f, weights_only=True); net.eval(); np.load(f); subprocess.run([x])") == []


class Harm:
    """Pickled, it makes a folder wherever it is opened."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def open_as_weights(path):
    pytest.importorskip("timm", reason="the extra `photos` is not installed")
    timm_backbone("resnet18", str(path))


@pytest.mark.parametrize("opens", [
    lambda path: load_checkpoint(path, small_resnet(1, 4)),
    load_embedder,
    Index.load,
    lambda path: FeatureMaps.load(path.parent),
    open_as_weights,
])  # fmt: skip
@pytest.mark.parametrize("name", ["net.safetensors", "net.pt", "maps.json"])
def test_a_strangers_pickle_is_not_run(opens, name, tmp_path):
    torch.save({"state_dict": Harm(tmp_path / "harm")}, tmp_path / name)
    with pytest.raises(Exception):  # noqa: B017 - each says it in its own words
        opens(tmp_path / name)
    assert not (tmp_path / "harm").exists()
    torch.load(io.BytesIO((tmp_path / name).read_bytes()), weights_only=False)  # it would do harm
    assert (tmp_path / "harm").exists()
