import numpy as np
import torch
from torch import Tensor, nn

from strongreid.models import ReIDModel
from strongreid.pixels import normalise
from strongreid.reports.showing import activation_maps, overlaid


class Quarters(nn.Module):
    """A backbone whose 2 x 2 map is known: two channels, the red and the doubled green mean of each quarter."""

    def forward(self, images: Tensor) -> Tensor:
        means = nn.functional.adaptive_avg_pool2d(images, 2)
        return torch.stack([means[:, 0], 2 * means[:, 1]], dim=1)


def test_a_map_is_the_norm_over_channels_at_each_place() -> None:
    model = ReIDModel(backbone="resnet10_small", people=2, image_size=(64, 32)).eval()
    model.backbone = Quarters()
    images = torch.randint(0, 256, (2, 3, 64, 32), dtype=torch.uint8)
    maps = activation_maps(model, images)
    seen = normalise(images)
    for image in range(2):
        for row in range(2):
            for column in range(2):
                part = seen[image, :, 32 * row : 32 * row + 32, 16 * column : 16 * column + 16]
                red, green = float(part[0].mean()), 2 * float(part[1].mean())
                assert abs(float(maps[image, row, column]) - (red**2 + green**2) ** 0.5) < 1e-4


def test_the_picture_is_brightest_where_the_map_is_strongest() -> None:
    image = np.full((3, 64, 32), 100, dtype=np.uint8)
    seen = overlaid(image, torch.tensor([[0.0, 0.0], [0.0, 9.0]])).astype(int)
    assert seen.shape == image.shape
    light = seen.sum(axis=0)
    row, column = np.unravel_index(light.argmax(), light.shape)
    assert row >= 32
    assert column >= 16
    assert light[-1, -1] > light[0, 0] + 100


def test_a_flat_map_is_drawn_without_a_warning() -> None:
    seen = overlaid(np.full((3, 8, 4), 100, dtype=np.uint8), torch.ones(2, 2))
    assert len(np.unique(seen.reshape(3, -1), axis=1).T) == 1
