"""Data: photographs from folders, tables and benchmarks, their cached maps, letters, token bags, and batches."""

from dmlnb.data.augment import augment, to_float
from dmlnb.data.bags import TokenBags
from dmlnb.data.batches import ClassBatches, DisjointHalves
from dmlnb.data.class_splits import ClassSplit, class_folds, class_split
from dmlnb.data.collage import Collages
from dmlnb.data.files import image_folder, image_table
from dmlnb.data.glyphs import Glyphs
from dmlnb.data.image_files import ImageFiles
from dmlnb.data.letters import Letters, cyrillic_letters
from dmlnb.data.maps import FeatureMaps, mirrored
from dmlnb.data.pictures import LITE0, open_image, photo_transforms
from dmlnb.data.public_sets import cars196, cub200, in_shop, online_products
from dmlnb.data.torchvision_sets import cifar100, omniglot

__all__ = [
    "ClassBatches",
    "ClassSplit",
    "Collages",
    "DisjointHalves",
    "FeatureMaps",
    "Glyphs",
    "ImageFiles",
    "LITE0",
    "Letters",
    "TokenBags",
    "augment",
    "cars196",
    "cifar100",
    "class_folds",
    "class_split",
    "cub200",
    "cyrillic_letters",
    "image_folder",
    "image_table",
    "in_shop",
    "mirrored",
    "omniglot",
    "online_products",
    "open_image",
    "photo_transforms",
    "to_float",
]
