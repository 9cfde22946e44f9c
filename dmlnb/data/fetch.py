"""Fetch a benchmark, or say where to get it and check what is there.

    python -m dmlnb.data.fetch cub200 --to data/        # 1.1 GB; called again after an interruption, it goes on
    python -m dmlnb.data.fetch cars196 --to data/       # these have to be asked for: says where, checks the folder

What is downloaded is compared with the published size and SHA-256 before it is unpacked, and it is unpacked beside its
place and moved there when it is whole. Of an archive only plain files and folders inside it are taken.
"""

import argparse
import hashlib
import http.client
import os
import shutil
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from pathlib import Path, PurePosixPath

from dmlnb.data.glyph_masters import cache_folder
from dmlnb.data.public_sets import cars196, cub200, in_shop, online_products

ROOT = "https://data.caltech.edu/records/65de6-vp158/files"  # of CUB-200-2011, at its authors' university
ARCHIVE = "CUB_200_2011.tgz"
SIZE = 1_150_585_339
SHA256 = "0c685df5597a8b24909f6a7c9db6d11e008733779a671760afef78feb49bf081"
FOLDER = "CUB_200_2011"

# folder, where to ask, loader, published images for each split
SETS = {
    "cub200": (FOLDER, f"{ROOT}/{ARCHIVE}", cub200, {"train": 5864, "test": 5924}),
    "cars196": ("cars196", "kaggle.com, Stanford Cars", cars196, {"train": 8054, "test": 8131}),
    "online_products": (
        "Stanford_Online_Products",
        "cvgl.stanford.edu, Deep Metric Learning via Lifted Structured Feature Embedding",
        online_products,
        {"train": 59551, "test": 60502},
    ),
    "in_shop": (
        "In-shop",
        "mmlab.ie.cuhk.edu.hk, DeepFashion: In-shop Clothes Retrieval",
        in_shop,
        {"train": 25882, "query": 14218, "gallery": 12612},
    ),
}


def fetch_cub200(to: str | os.PathLike) -> Path:
    """Download and unpack CUB-200-2011 into `to`; what is there already is not fetched again.

    Args:
        to: the folder in which `CUB_200_2011/` shall lie.

    Returns:
        The folder `CUB_200_2011`, for `cub200`.

    Raises:
        OSError: if the connection breaks (what came stays, the same call goes on) or the disk is full.
        ValueError: if what came is not the published archive; it is deleted.
    """
    to = Path(to).expanduser()
    if (to / FOLDER).is_dir():
        return to / FOLDER
    to.mkdir(parents=True, exist_ok=True)
    archive = to / f"{ARCHIVE}.part"
    download(f"{ROOT}/{ARCHIVE}", archive, SIZE)
    try:
        require_digest(archive, SHA256)
        unpack(archive, to, FOLDER)
    except ValueError:
        archive.unlink()
        raise
    archive.unlink()
    return to / FOLDER


def download(url: str, file: Path, size: int) -> None:
    """Fetch `url` into `file`, going on behind what is there, until it holds `size` bytes.

    Raises:
        OSError: if the connection breaks or the address gives no such file; what came stays.
        ValueError: if the address gives a file of another size; nothing of it stays.
    """
    from tqdm import tqdm

    have = file.stat().st_size if file.exists() else 0
    if have > size:
        file.unlink()
        have = 0
    if have == size:
        return
    if shutil.disk_usage(file.parent).free < size - have:
        raise OSError(f"{file.parent}: {(size - have) / 2**20:,.0f} MiB are needed, less is free")
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            if have and answer.status != 206:  # a server that begins anew
                have = 0
            length = answer.headers.get("Content-Length")
            if length is not None and have + int(length) != size:
                file.unlink(missing_ok=True)
                raise ValueError(
                    f"{url}: expected {size:,} bytes, the server offers {have + int(length):,} "
                    f"({answer.headers.get_content_type()}); is the address still right?"
                )
            bar = tqdm(total=size, initial=have, desc=file.stem, unit="B", unit_scale=True, disable=None)
            with file.open("ab" if have else "wb") as out, bar:
                while have < size and (block := answer.read(min(2**20, size - have))):
                    out.write(block)
                    have += len(block)
                    bar.update(len(block))
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        if file.exists() and not file.stat().st_size:
            file.unlink()
        raise OSError(f"{url}: {error}; call again to go on") from error
    if have < size:
        raise OSError(f"{url}: the connection ended after {have:,} of {size:,} bytes; call again to go on")


def require_digest(file: Path, expected: str) -> None:
    """Raise ValueError unless the file's SHA-256 is the expected one."""
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while block := content.read(2**20):
            digest.update(block)
    if digest.hexdigest() != expected:
        raise ValueError(
            f"{file}: damaged or another file (sha256 {digest.hexdigest()[:12]}…, expected {expected[:12]}…); "
            "it is deleted, call again to fetch it anew"
        )


def unpack(archive: Path, to: Path, folder: str) -> None:
    """Unpack a tar archive beside its place, then move its `folder` there: whole or not at all.

    Raises:
        ValueError: for an archive with anything but plain files and folders inside it, or without `folder`.
    """
    with tempfile.TemporaryDirectory(dir=to, prefix=".unpacking-") as temporary:
        try:
            with tarfile.open(archive) as tar:
                for member in tar:
                    path = PurePosixPath(member.name)
                    if path.is_absolute() or ".." in path.parts or "\\" in member.name or ":" in member.name:
                        raise ValueError(f"{archive}: holds the path {member.name!r}, outside the folder")
                    if member.isdir():
                        (Path(temporary) / path).mkdir(parents=True, exist_ok=True)
                    elif member.isreg() and (content := tar.extractfile(member)):
                        (Path(temporary) / path).parent.mkdir(parents=True, exist_ok=True)
                        with content, (Path(temporary) / path).open("wb") as out:
                            shutil.copyfileobj(content, out)
                    else:
                        raise ValueError(
                            f"{archive}: holds {member.name!r}, which is no plain file or folder"
                        )
        except (tarfile.TarError, EOFError, UnicodeError) as error:
            raise ValueError(f"{archive}: not readable as an archive ({error})") from error
        if not (Path(temporary) / folder).is_dir():
            raise ValueError(f"{archive}: holds no folder {folder}")
        os.replace(Path(temporary) / folder, to / folder)


def check(name: str, root: Path) -> list[str]:
    """What is missing of a benchmark at `root`; empty if its images are there as published."""
    _, _, loader, published = SETS[name]
    found: list[str] = []
    for split, number in published.items():
        try:
            images = loader(root, split)
        except (OSError, ValueError) as error:
            return [*found, str(error)]
        if len(images) != number:
            found.append(f"{split}: {len(images):,} images, published are {number:,}")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Fetch the data set that the command names; 0 if it is there afterwards."""
    parser = argparse.ArgumentParser(prog="python -m dmlnb.data.fetch", description=__doc__.split("\n")[0])
    parser.add_argument("name", choices=sorted(SETS))
    parser.add_argument(
        "--to", default=cache_folder(), type=Path, help="folder; by default the cache, %(default)s"
    )
    options = parser.parse_args(arguments)
    folder, source, _, _ = SETS[options.name]
    root = options.to.expanduser() / folder
    if options.name == "cub200":
        try:
            root = fetch_cub200(options.to)
        except (OSError, ValueError) as error:
            print(error, file=sys.stderr)
            return 1
    missing = check(options.name, root)
    if missing:
        print("\n".join(missing), file=sys.stderr)
        print(
            f"{options.name}: get it from {source}, and unpack it as {root} (data/README.md)", file=sys.stderr
        )
        return 1
    print(f"{root}: complete")
    return 0


if __name__ == "__main__":
    sys.exit(main())
