"""Master pictures of letters, drawn once from the DejaVu typefaces that matplotlib ships.

They are packed in `data/glyphs.npz`, so that the course's numbers do not depend on the installed matplotlib. Where the
package is installed without the repository, the pack is built into the user's cache on first use.

    python -m dmlnb.data.glyphs build        # remakes data/glyphs.npz
"""

import hashlib
import io
import os
import tempfile
import unicodedata
import zipfile
from pathlib import Path

import numpy as np

BOX = 40  # side of a master picture, pixels
FILL = 36  # longer side of the letter in it
SCRIPTS = {
    "train": ("Latin", "Cyrillic"),
    "validation": ("Greek",),
    "test": ("Georgian", "Armenian", "Lao"),
}
SHA256 = "1dfc5fc196b8a721112c5e2b2451a54180e3d9b34ba086acdaac41e9219826ea"
REPOSITORY_PACK = Path(__file__).parents[2] / "data" / "glyphs.npz"


def cache_folder() -> Path:
    """Where downloaded or built data lands: `$DMLNB_DATA`, or `~/.cache/dmlnb`."""
    return Path(os.environ.get("DMLNB_DATA") or "~/.cache/dmlnb").expanduser()


def load_masters() -> dict[str, np.ndarray]:
    """The pack: `rasters (G, 40, 40) uint8`, `letter (G,)`, `face (G,)`, `code_points (L,)`, `scripts (L,)`, `faces`.

    Raises:
        ValueError: if the pack is damaged; names the file and the command that remakes it.
        OSError: if it has to be built and the cache cannot be written.
    """
    if REPOSITORY_PACK.exists():
        return _read(REPOSITORY_PACK, SHA256)
    pack = cache_folder() / "glyphs.npz"
    if not pack.exists():
        write_pack(pack)
    return _read(
        pack, pack.with_suffix(".sha256").read_text() if pack.with_suffix(".sha256").exists() else ""
    )


def _read(path: Path, expected: str) -> dict[str, np.ndarray]:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != expected:
        raise ValueError(
            f"glyphs.npz: {path} is damaged or from another version (sha256 {digest[:12]}…, expected "
            f"{expected[:12] or 'none'}…); delete it and run: python -m dmlnb.data.glyphs build"
        )
    with np.load(io.BytesIO(content)) as pack:
        return {key: pack[key] for key in pack.files}


def write_pack(path: Path) -> str:
    """Draw all letters and write them to `path`, whole or not at all, with the digest beside it; returns the digest."""
    content = _zip(draw_masters())
    digest = hashlib.sha256(content).hexdigest()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for target, data in ((path.with_suffix(".sha256"), digest.encode()), (path, content)):
            handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                os.chmod(temporary, 0o644)
                os.replace(temporary, target)
            finally:
                Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        raise OSError(
            f"cannot write {path} ({error}); set DMLNB_DATA to a folder that can be written"
        ) from error
    return digest


def _zip(arrays: dict[str, np.ndarray]) -> bytes:
    """An npz with fixed time stamps, so that equal arrays give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for key, array in arrays.items():
            inner = io.BytesIO()
            np.lib.format.write_array(inner, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(
                zipfile.ZipInfo(f"{key}.npy", (2000, 1, 1, 0, 0, 0)), inner.getvalue(), zipfile.ZIP_DEFLATED
            )
    return buffer.getvalue()


def draw_masters() -> dict[str, np.ndarray]:
    """Draw every letter of the six scripts in every face that has it, and keep those that differ in form.

    A letter is kept if at least eight faces have it (by their character map) and its outline is no twin of a letter
    kept before: correlation of the pictures below 0.84, and below 0.92 after a blur.

    Raises:
        ImportError: without matplotlib, from which the typefaces come; says how to install it.
    """
    try:
        import matplotlib
        from matplotlib.ft2font import FT2Font
    except ModuleNotFoundError as error:
        raise ImportError(
            'the letters are drawn from matplotlib\'s typefaces: pip install "dmlnb[course]"'
        ) from error
    from PIL import ImageFont

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    files = sorted(p for p in folder.glob("DejaVu*.ttf") if "Display" not in p.name)
    fonts = {p.stem: ImageFont.truetype(str(p), 96, layout_engine=ImageFont.Layout.BASIC) for p in files}
    charmaps = {p.stem: FT2Font(str(p)).get_charmap() for p in files}
    wanted = [s for scripts in SCRIPTS.values() for s in scripts]
    kept: list[tuple[int, str, dict[str, np.ndarray]]] = []
    sharp, soft = np.empty((0, BOX * BOX)), np.empty((0, BOX * BOX))
    for script in wanted:
        for code in sorted(set().union(*charmaps.values())):
            character = chr(code)
            if unicodedata.category(character) not in ("Lu", "Ll", "Lo") or unicodedata.decomposition(
                character
            ):
                continue
            if not unicodedata.name(character, "").startswith(script.upper() + " "):
                continue
            drawn = {f: _draw(fonts[f], character) for f in fonts if code in charmaps[f]}
            faces = {f: picture for f, picture in drawn.items() if picture is not None}
            if len(faces) < 8:
                continue
            mean = np.mean([p for p in faces.values()], axis=0)
            here, blurred = _standardise(mean), _standardise(_blur(mean))
            if len(kept) and ((sharp @ here).max() >= 0.84 or (soft @ blurred).max() >= 0.92):
                continue
            kept.append((code, script, faces))
            sharp, soft = np.vstack([sharp, here]), np.vstack([soft, blurred])
    names = sorted(fonts)
    flat = [(i, names.index(f), p) for i, (_, _, faces) in enumerate(kept) for f, p in sorted(faces.items())]
    return {
        "rasters": np.stack([p for _, _, p in flat]),
        "letter": np.array([i for i, _, _ in flat], dtype=np.int32),
        "face": np.array([f for _, f, _ in flat], dtype=np.int32),
        "code_points": np.array([code for code, _, _ in kept], dtype=np.int32),
        "scripts": np.array([script for _, script, _ in kept]),
        "faces": np.array(names),
    }


def _draw(font, character: str) -> np.ndarray | None:
    from PIL import Image

    left, top, right, bottom = font.getbbox(character)
    if right <= left or bottom <= top:
        return None
    mask = font.getmask(character, mode="L")
    picture = Image.frombytes("L", mask.size, bytes(mask))
    if picture.getbbox() is None:
        return None
    picture = picture.crop(picture.getbbox())
    scale = FILL / max(picture.size)
    picture = picture.resize([max(1, round(side * scale)) for side in picture.size], Image.Resampling.LANCZOS)
    box = Image.new("L", (BOX, BOX))
    box.paste(picture, ((BOX - picture.width) // 2, (BOX - picture.height) // 2))
    levels = np.round(np.asarray(box, dtype=np.float32) / 51).astype(np.uint8)  # six grey levels pack small
    return levels * 51


def _blur(picture: np.ndarray) -> np.ndarray:
    kernel = np.exp(-0.5 * (np.arange(-6, 7) / 2.0) ** 2)
    kernel /= kernel.sum()
    rows = np.apply_along_axis(np.convolve, 1, picture, kernel, mode="same")
    return np.apply_along_axis(np.convolve, 0, rows, kernel, mode="same")


def _standardise(picture: np.ndarray) -> np.ndarray:
    centred = picture.ravel() - picture.mean()
    return centred / np.linalg.norm(centred)
