"""Foreign checkpoints give the features that their own code computed: every fixture of `tests/golden`.

`tests/golden/check.py adapter:load` compares the other recorded outputs too (one view, before the neck).
"""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from strongreid import embed
from strongreid.errors import InputError
from strongreid.models import load_foreign
from strongreid.models.foreign.recognise import LAYOUTS

GOLDEN = Path(__file__).parents[1] / "golden"
sys.path.insert(0, str(GOLDEN))
import check  # noqa: E402
import images  # noqa: E402
from adapter import LAST_STRIDE  # noqa: E402

sys.path.remove(str(GOLDEN))
FIXTURES = sorted(file.parent.name for file in GOLDEN.glob("*/layout.json"))


def test_there_are_fixtures():
    assert len(FIXTURES) >= 32


@pytest.mark.parametrize("name", FIXTURES)
def test_a_foreign_checkpoint_gives_its_own_codes_features(name):
    layout = check.read_layout(GOLDEN / name)
    expected = np.load(GOLDEN / name / "expected.npz")
    checkpoint = check.checkpoint(layout, prefix="module." if len(name) % 2 else "")
    model = load_foreign(checkpoint, last_stride=LAST_STRIDE.get(name))
    assert model.image_size == tuple(layout["input_size"])
    cameras = layout.get("camera_index_of_the_two_images")
    pictures = [*images.plain(*layout["input_size"]), *images.chain()]
    got = embed(model, pictures, camera=None if cameras is None else [*cameras, *cameras])
    for case, rows in (("plain", got[:2]), ("chain", got[2:])):
        fits, said = check.compare(rows, expected[f"{case}/test"], layout["tolerance"])
        assert fits, f"{case}: {said}"


def test_each_file_is_recognised_by_one_layout_alone():
    for name in FIXTURES:
        shapes = {key: tuple(shape) for key, shape, _ in check.read_layout(GOLDEN / name)["keys"]}
        recognised = [layout.codebase for layout in LAYOUTS if layout.recognises(shapes)]
        assert len(recognised) == 1, f"{name}: {recognised}"


def test_without_a_camera_the_average_of_all_cameras_is_added():
    layout = check.read_layout(GOLDEN / "clipreid_vit_b16_sie")
    state = {key: value for key, value in check.state_dict(layout).items() if "text_encoder" not in key}
    model = load_foreign(state)
    pictures = images.plain(256, 128)[:1]
    without, with_camera = embed(model, pictures), embed(model, pictures, camera=[3])
    assert (without - with_camera).abs().max() > 1e-3
    with torch.no_grad():
        average = model.backbone.cv_embed.mean(0)
        model.backbone.cv_embed[3] = average
    assert torch.allclose(without, embed(model, pictures, camera=[3]), atol=1e-6)
    with pytest.raises(InputError, match="knows the cameras 0 to 5"):
        embed(model, pictures, camera=[6])
