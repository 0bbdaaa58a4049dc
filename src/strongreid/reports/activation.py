"""Where a network looks: how strongly each cell of its last feature map responds.

The map is the norm over channels. Its mean over cells is what the pooled feature is made of, so a bright cell has
much say in the feature; it says nothing of whether that was right. (Zagoruyko and Komodakis 2017 call such maps
activation-based attention.)
"""

import matplotlib
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from strongreid.models import ReIDModel
from strongreid.pixels import normalise


@torch.no_grad()
def activation_maps(model: ReIDModel, images: Tensor) -> Tensor:
    """Return the norm over channels of the last feature map: float32 [N, h, w] on the CPU.

    `images`: uint8 [N, 3, H, W] at the model's own size, few enough for one batch. The model is in eval mode, as
    `ReIDModel.load` gives it.
    """
    images = images.to(model.classifier.weight.device)
    feature_map = model.feature_map(normalise(images, normalisation=model.normalisation))
    response: Tensor = torch.linalg.vector_norm(feature_map.float(), dim=1).cpu()
    return response


def overlaid(image: npt.NDArray[np.uint8], activation: Tensor) -> npt.NDArray[np.uint8]:
    """Lay a map [h, w] over its picture, uint8 [3, H, W], turned grey: bright where the response is strongest.

    Each map is stretched from its own weakest to its own strongest cell.
    """
    low, high = activation.min(), activation.max()
    heat = (activation - low) / (high - low).clamp_min(1e-12)
    size = (image.shape[1], image.shape[2])
    smooth = F.interpolate(heat[None, None], size, mode="bilinear", align_corners=False)[0, 0].numpy()
    colors = matplotlib.colormaps["inferno"](smooth)[..., :3].transpose(2, 0, 1)
    grey = (image.astype(np.float32) / 255).mean(axis=0, keepdims=True)
    share = 0.35 + 0.4 * smooth
    return np.asarray(np.clip(255 * ((1 - share) * grey + share * colors), 0, 255), dtype=np.uint8)
