import numpy as np
import pytest
import torch

from dmlnb.course.plots import contact_sheet, neighbour_rows, png_bytes
from dmlnb.explore.figures import HIT, MISS

GREY = torch.randint(0, 256, (12, 1, 16, 16), dtype=torch.uint8)
MASKS = torch.zeros(12, 16, 16, dtype=torch.bool)
MASKS[:, 4:12, 4:16] = True
MASKS[0] = False  # an empty mask
MASKS[1] = True
WHITE = GREY > 99


def shown(figure):
    return [image.get_array() for image in figure.axes[0].images]


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize(
    "images, grey",
    [
        (GREY, GREY),
        (GREY[:, 0], GREY),
        (GREY.expand(-1, 3, -1, -1), GREY),
        (GREY.float() / 255, GREY),
        (list(GREY), GREY),
        ([image.numpy() for image in GREY[:, 0]], GREY),
        (GREY.numpy(), GREY),
        (WHITE, 255 * WHITE),
    ],
)
def test_all_forms_of_images(images, grey):
    figure = contact_sheet(images, columns=5)
    pictures, grey = shown(figure), grey[3, 0].numpy()
    assert len(pictures) == 12 and np.array_equal(
        pictures[3] if pictures[3].ndim == 2 else pictures[3][..., 1], grey
    )
    assert len(png_bytes(figure)) < 150_000


def test_captions_frames_and_outlines():
    titles = ["ა", "բ", "ກ"] * 4
    figure = contact_sheet(GREY, labels=torch.arange(12) % 3, titles=titles, masks=MASKS, title="letters")
    png_bytes(figure)  # a letter that the typeface lacks would warn
    assert texts(figure) == [*titles, "letters"]
    assert len(figure.axes[0].patches) == 12
    assert len({patch.get_edgecolor() for patch in figure.axes[0].patches}) == 3
    assert len(figure.axes[0].collections) == 11  # one contour a mask that is not empty


def test_one_image_is_enough():
    png_bytes(contact_sheet(GREY[:1], titles=["one"], title="a longer title than the image is wide"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((GREY[0, 0],), "images: expected"),
        ((GREY[:0],), "images: expected"),
        ((GREY.expand(-1, 2, -1, -1),), "images: expected"),
        ((GREY, torch.zeros(3)), "labels: expected 12"),
    ],
)
def test_contact_sheet_names_what_is_wrong(arguments, words):
    with pytest.raises(ValueError, match=words):
        contact_sheet(*arguments)


def test_hits_and_misses_differ_in_colour_and_in_mark():
    hits = torch.tensor([[True, False, True], [False, False, True]])
    figure = neighbour_rows(
        GREY[:2], GREY[2:8].view(2, 3, 1, 16, 16), hits, ["a", "b"], [list("cde"), list("fgh")]
    )
    png_bytes(figure)
    marks = [t for t in texts(figure) if t in "✓✗"]
    assert marks == ["✓", "✗", "✓", "✗", "✗", "✓"]
    import matplotlib

    edges = [matplotlib.colors.to_hex(p.get_edgecolor()).upper() for p in figure.axes[0].patches]
    assert [e for e in edges if e in (HIT, MISS)] == [HIT, MISS, HIT, MISS, MISS, HIT]
    assert set("abcdefgh") <= set(texts(figure)) and len(shown(figure)) == 8


def test_neighbour_rows_names_what_is_wrong():
    with pytest.raises(ValueError, match="neighbour_images, hits"):
        neighbour_rows(GREY[:2], GREY[2:8].view(2, 3, 1, 16, 16), torch.ones(2, 2))
    with pytest.raises(ValueError, match="query_titles: expected 2"):
        neighbour_rows(GREY[:2], GREY[2:8].view(2, 3, 1, 16, 16), torch.ones(2, 3), ["a"])


def test_names_are_no_mathematics_and_labels_may_be_huge():
    labels = np.array([10**11, 10**11 + 1, 7], dtype=np.uint64)
    figure = contact_sheet(GREY[:3], labels=labels, titles=["a$b_{$", "_x", "<i>"], title="$_{")
    png_bytes(figure)
    assert len({patch.get_edgecolor() for patch in figure.axes[0].patches}) == 3
    for bad in (labels.astype(float), torch.tensor([0, -1, 2]), [True, False, True]):
        with pytest.raises(ValueError, match="labels: expected"):
            contact_sheet(GREY[:3], labels=bad)


def test_photographs_of_several_sizes_keep_their_proportions():
    photos = [np.zeros((40, 80, 3), dtype=np.uint8), np.zeros((600, 300), dtype=np.uint8)]
    wide, high = contact_sheet(photos, columns=2).axes[0].images
    boxes = [image.get_extent() for image in (wide, high)]
    sides = [(abs(right - left), abs(top - bottom)) for left, right, bottom, top in boxes]
    assert sides[0][0] == pytest.approx(2 * sides[0][1]) and sides[1][1] == pytest.approx(2 * sides[1][0])
    assert max(high.get_array().shape) <= 256  # no more than the figure can show
    figure = neighbour_rows(photos, [photos[::-1], photos], torch.eye(2).bool())
    assert len(shown(figure)) == 6
    with pytest.raises(ValueError, match="as many of each query"):
        neighbour_rows(photos, [photos, photos[:1]], torch.eye(2).bool())


def test_a_range_is_said_once_for_queries_and_neighbours():
    centred = GREY.float() / 255 - 0.5
    rows = centred[2:8].view(2, 3, 1, 16, 16)
    figure = neighbour_rows(centred[:2], rows, torch.ones(2, 3), range=(-0.5, 0.5))
    assert np.array_equal(shown(figure)[0], GREY[0, 0])
    with pytest.raises(ValueError, match="query_images: expected floating point in 0 .. 1"):
        neighbour_rows(centred[:2], rows, torch.ones(2, 3))


def test_hits_are_true_or_false():
    with pytest.raises(ValueError, match="hits: expected bool"):
        neighbour_rows(GREY[:2], GREY[2:8].view(2, 3, 1, 16, 16), torch.full((2, 3), 0.3))
