"""Our loader as `check.py` wants it: `python tests/golden/check.py adapter:load` from this folder."""

import numpy as np
import torch

from strongreid.models import load_foreign

LAST_STRIDE = {"layumi_ft_net_linear0": 1, "layumi_ft_net_stride1_ibn": 1}
"""What opts.yaml beside such a file would say: the weights do not show it."""
NOT_A_FEATURE = {"logits": "class weights are left out"}


def load(checkpoint, layout):
    """Return a function from images uint8 [H, W, 3] to the output `layout["wanted"]`."""
    wanted = layout.get("wanted", "test")
    if wanted in NOT_A_FEATURE:
        raise NotImplementedError(NOT_A_FEATURE[wanted])
    semantic = float(wanted.rsplit("_w", 1)[1]) if "_w" in wanted else None
    model = load_foreign(checkpoint, last_stride=LAST_STRIDE.get(layout["name"]), semantic_weight=semantic)
    if wanted != "test":  # what the test feature is made of
        model.unit_length = False
        if "before_bn" in wanted or "after_bn" in wanted:
            model.feature = "pooled" if "before_bn" in wanted else "necked"
    if wanted.startswith("one_view"):
        model.backbone.mirror = False
    if wanted == "one_view_parts_last":
        model.backbone.forward = lambda images: model.backbone.features(images).flatten(1)
    cameras = layout.get("camera_index_of_the_two_images")

    def extract(images):
        rows = [torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None] for image in images]
        camera = [None if cameras is None else [one] for one in cameras or [0] * len(rows)]
        return torch.cat([model.embed(row, camera=one) for row, one in zip(rows, camera, strict=True)])

    return extract
