"""A data set and a backbone small enough for tests of feature maps."""

import numpy as np
import torch
from PIL import Image
from torch import nn


class Pictures(torch.utils.data.Dataset):
    """Images in memory; their class is their number // 3."""

    def __init__(self, number=14):
        self.images = torch.randn(number, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        self.labels = torch.arange(number) // 3

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.images[index], int(self.labels[index])


def backbone(seed=0):
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(1, 5, 3, 2, 1), nn.BatchNorm2d(5), nn.Dropout(0.5))
    return net.train()


def wanted(net, images):
    with torch.no_grad():
        return net.eval()(images)


def draw(path, colour="red", size=(6, 4)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def folder_of_pictures(root, number=10):
    for i in range(number):
        (root / f"class{i // 4}").mkdir(parents=True, exist_ok=True)
        Image.effect_noise((16, 16), 10 + i).save(root / f"class{i // 4}" / f"{i}.png")
    return root


def as_tensor(image):
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[:1]
