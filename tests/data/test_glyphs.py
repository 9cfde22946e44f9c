import hashlib
import subprocess
import sys

import numpy as np
import pytest
import torch

from dmlnb.data import Glyphs, augment, glyph_masters, to_float
from dmlnb.data.glyphs import uniform


def small(split="validation", **options):
    return Glyphs(split, **({"per_class": 3} | options))


def test_splits_are_disjoint_in_script_and_letter():
    sets = [small(split, per_class=1) for split in ("train", "validation", "test")]
    scripts = [set(s.scripts) for s in sets]
    assert scripts == [{"Latin", "Cyrillic"}, {"Greek"}, {"Georgian", "Armenian", "Lao"}]
    letters = [set(s.class_names) for s in sets]
    assert not (letters[0] & letters[1] or letters[0] & letters[2] or letters[1] & letters[2])
    assert all(len(s.class_names) == s.num_classes == len(letters[i]) for i, s in enumerate(sets))
    assert sets[0].num_classes > 200 and sets[1].num_classes > 20 and sets[2].num_classes > 120


def test_shapes_types_and_items():
    data = small(return_mask=True, size=48)
    n = 3 * data.num_classes
    assert data.images.shape == (n, 1, 48, 48) and data.images.dtype == torch.uint8
    assert data.masks.shape == (n, 48, 48) and data.masks.dtype == torch.bool
    assert torch.equal(data.labels, torch.arange(data.num_classes).repeat_interleave(3))
    image, label, mask = data[5]
    assert image.shape == (1, 48, 48) and label == 1 and torch.equal(mask, data.masks[5])
    assert len(small()[0]) == 2


def test_an_image_depends_on_seed_letter_and_repetition_only(monkeypatch):
    few, many = small(per_class=2), small(per_class=5)
    assert torch.equal(few.images.view(-1, 2, 32, 32), many.images.view(-1, 5, 32, 32)[:, :2])
    assert not torch.equal(few.images, small(per_class=2, seed=1).images)
    monkeypatch.setattr("dmlnb.data.glyphs._CHUNK", 7)
    assert torch.equal(small(per_class=2).images, few.images)


def test_images_of_a_class_differ():
    data = small(per_class=4)
    first = data.images.view(-1, 4, 32 * 32).float()
    assert ((first[:, 0] - first[:, 1]).abs().mean(dim=1) > 1).all()


@pytest.mark.parametrize("size", [32, 48, 64])
def test_the_mask_is_where_the_letter_is(size):
    data = small(size=size, clutter=0, noise=0.0)
    images = data.images[:, 0].float()
    for image, mask in zip(images, data.masks, strict=True):
        assert 0.01 < mask.float().mean() < 0.6
        background = image.flatten().mode().values
        assert (image[mask] - background).abs().min() > 10  # every mask pixel carries ink
    border = torch.cat(
        [data.masks[:, 0], data.masks[:, -1], data.masks[:, :, 0], data.masks[:, :, -1]], dim=1
    )
    assert border.float().mean() < 0.12  # letters are (nearly) whole


def test_clutter_changes_pixels_outside_the_letter_only():
    clean, full = small(clutter=0, noise=0.0), small(clutter=4, noise=0.0)
    assert torch.equal(clean.masks, full.masks)
    changed = (clean.images != full.images)[:, 0]
    assert (changed & ~clean.masks).flatten(1).any(dim=1).float().mean() > 0.95
    ink = clean.masks & (torch.nn.functional.avg_pool2d(clean.masks[:, None].float(), 3, 1, 1)[:, 0] > 0.99)
    assert (clean.images.int() - full.images.int()).abs()[:, 0][ink].max() <= 20  # the letter is drawn on top


def test_noise_has_the_stated_deviation():
    flat = small(clutter=0, noise=0.0).images.float()
    noisy = small(clutter=0, noise=0.05).images.float()
    inside = (flat > 60) & (flat < 195)
    assert ((noisy - flat)[inside] / 255).std().item() == pytest.approx(0.05, rel=0.03)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"split": "dev"}, "split"),
        ({"size": 33}, "size"),
        ({"clutter": -1}, "clutter"),
        ({"clutter": (3, 1)}, "clutter"),
        ({"noise": 2.0}, "noise"),
        ({"per_class": 0}, "per_class"),
        ({"seed": -1}, "seed"),
        ({"size": 32.5}, "size"),
        ({"clutter": 1.5}, "clutter"),
        ({"clutter": (0, 2.5)}, "clutter"),
        ({"clutter": "many"}, "clutter"),
        ({"per_class": 2.5}, "per_class: expected a whole number"),
        ({"seed": 0.5}, "seed: expected a whole number"),
        ({"scripts": ("Greek",)}, "scripts"),
        ({"scripts": ()}, "scripts"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Glyphs(**options)


def test_uniform_is_uniform_and_depends_on_everything():
    u = uniform(0, np.arange(20000), 4)
    assert u.min() >= 0 and u.max() < 1 and abs(u.mean() - 0.5) < 0.005
    assert np.abs(np.corrcoef(u.T) - np.eye(4)).max() < 0.03
    assert np.abs(np.histogram(u, 20)[0] / 4000 - 1).max() < 0.1
    assert not np.array_equal(u, uniform(1, np.arange(20000), 4))
    assert np.array_equal(u[5:9, :2], uniform(0, np.arange(5, 9), 2))
    tables = [uniform(seed, np.arange(2000), 4, stream=stream) for seed in range(3) for stream in range(4)]
    correlation = np.corrcoef(np.stack([t.ravel() for t in tables]))
    assert np.abs(correlation - np.eye(12)).max() < 0.06  # seeds share no stream


def test_the_shipped_pack_is_the_recorded_one_and_small():
    content = glyph_masters.REPOSITORY_PACK.read_bytes()
    assert hashlib.sha256(content).hexdigest() == glyph_masters.SHA256
    assert len(content) <= 2_000_000


def test_a_damaged_pack_is_refused(tmp_path, monkeypatch):
    damaged = tmp_path / "glyphs.npz"
    damaged.write_bytes(glyph_masters.REPOSITORY_PACK.read_bytes()[:-1])
    monkeypatch.setattr(glyph_masters, "REPOSITORY_PACK", damaged)
    with pytest.raises(ValueError, match=r"glyphs.npz.*glyphs build"):
        small()


@pytest.fixture
def few_letters(monkeypatch):
    pack = glyph_masters.load_masters()
    monkeypatch.setattr(glyph_masters, "draw_masters", lambda: pack)
    return pack


def test_without_the_repository_the_pack_is_built_once_into_the_cache(tmp_path, monkeypatch, few_letters):
    monkeypatch.setattr(glyph_masters, "REPOSITORY_PACK", tmp_path / "absent" / "glyphs.npz")
    monkeypatch.setenv("DMLNB_DATA", str(tmp_path / "cache"))
    first = small()
    assert sorted(p.name for p in (tmp_path / "cache").iterdir()) == ["glyphs.npz", "glyphs.sha256"]
    monkeypatch.setattr(glyph_masters, "draw_masters", lambda: pytest.fail("built twice"))
    assert torch.equal(small().images, first.images)
    (tmp_path / "cache" / "glyphs.npz").write_bytes(b"broken")
    with pytest.raises(ValueError, match="damaged"):
        small()


def test_an_unwritable_cache_is_named_and_left_clean(tmp_path, monkeypatch, few_letters):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(glyph_masters, "REPOSITORY_PACK", tmp_path / "absent.npz")
    monkeypatch.setenv("DMLNB_DATA", str(tmp_path / "file"))
    with pytest.raises(OSError, match="DMLNB_DATA"):
        small()
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_the_build_makes_what_is_shipped():
    built, shipped = glyph_masters.draw_masters(), glyph_masters.load_masters()
    assert np.array_equal(built["faces"], shipped["faces"])
    shared = np.intersect1d(
        built["code_points"], shipped["code_points"]
    )  # another FreeType may move a borderline twin
    assert len(shared) > 0.97 * len(shipped["code_points"])
    if len(built["rasters"]) == len(shipped["rasters"]):
        assert np.abs(built["rasters"].astype(int) - shipped["rasters"]).mean() < 2


def test_to_float_and_augment():
    data = small()
    images = to_float(data.images)
    assert images.min() >= -0.5 and images.max() <= 0.5 and to_float(images) is images
    torch.manual_seed(0)
    first = augment(images)
    torch.manual_seed(0)
    assert torch.equal(augment(images), first) and first.shape == images.shape
    assert not torch.equal(first, images)
    with pytest.raises(ValueError, match="images"):
        augment(data.images)


def test_augment_with_zero_strength_only_inverts_and_shifts_grey():
    images = torch.rand(16, 1, 8, 8)
    out = augment(images, angle=0.0, scale=0.0, shift=0.0, contrast=0.0)
    for before, after in zip(images, out, strict=True):
        spread = [(after - sign * before).flatten() for sign in (1, -1)]
        assert min((s.max() - s.min()).item() for s in spread) < 1e-5


def test_numpy_numbers_mean_what_python_numbers_mean():
    wanted = small(clutter=2, size=32, seed=1)
    for whole in (np.int64, np.int32, np.uint8):
        found = small(
            clutter=whole(2), size=whole(32), per_class=whole(3), seed=whole(1), noise=np.float64(0.05)
        )
        assert torch.equal(found.images, wanted.images)
        assert torch.equal(small(clutter=(whole(2), whole(2)), seed=1).images, wanted.images)


def test_some_scripts_are_a_part_of_all():
    whole, part = Glyphs("test", per_class=1), Glyphs("test", per_class=1, scripts=("Armenian",))
    chosen = [i for i, script in enumerate(whole.scripts) if script == "Armenian"]
    assert torch.equal(part.images, whole.images[chosen]) and part.labels.tolist() == list(range(len(chosen)))
    assert part.class_names == [whole.class_names[i] for i in chosen] and set(part.scripts) == {"Armenian"}


@pytest.mark.parametrize("own", ["$HOME", "~"])
def test_the_cache_is_found_below_the_home_folder(own, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DMLNB_DATA", f"{own}/letters".replace("$HOME", str(tmp_path)))
    assert glyph_masters.cache_folder() == tmp_path / "letters"
    monkeypatch.delenv("DMLNB_DATA")
    assert glyph_masters.cache_folder() == tmp_path / ".cache" / "dmlnb"


def test_the_command_runs_without_a_warning():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "dmlnb.data.glyphs"], capture_output=True, text=True
    )
    assert done.returncode == 1 and done.stderr.strip() == "usage: python -m dmlnb.data.glyphs build"
