import runpy
import sys

import numpy as np
import pytest
import torch

from dmlnb.data import Glyphs
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


def test_the_command_runs_without_a_warning(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["glyphs"])
    with pytest.raises(SystemExit, match="usage: python -m dmlnb.data.glyphs build"):
        runpy.run_module("dmlnb.data.glyphs", run_name="__main__", alter_sys=True)
