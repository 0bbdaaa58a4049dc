"""`strongreid convert` as a whole command: what it says, writes, and refuses without writing."""

import sys
from pathlib import Path

import pytest
import torch

from strongreid.cli import main
from strongreid.cli.converting import ENDINGS
from strongreid.models import ReIDModel, load_foreign, read_header

GOLDEN = Path(__file__).parents[1] / "golden"
sys.path.insert(0, str(GOLDEN))
import check  # noqa: E402

sys.path.remove(str(GOLDEN))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    layout = check.read_layout(GOLDEN / "torchreid_osnet_x0_25")
    torch.save(check.checkpoint(layout), tmp_path / "osnet.pth.tar-60")
    return tmp_path / "osnet.pth.tar-60"


def test_convert_says_what_it_found_and_how_to_go_on(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = checkpoint.with_name("model.safetensors")
    assert main(["convert", str(checkpoint), "-o", str(output)]) == 0
    said = capsys.readouterr().err.splitlines()
    assert said[:4] == [
        "Recognised: torchreid, osnet_x0_25",
        "Left out: 2 tensors that features do not need (classifier.weight, classifier.bias)",
        "Images: 256 x 128 pixels, bilinear",
        "Features: 512 values, necked, compared by euclidean distance",
    ]
    assert said[-1] == f"Next: strongreid export {output} --for onnx"
    images = torch.randint(256, (2, 3, 50, 30), dtype=torch.uint8)
    assert torch.equal(ReIDModel.load(output).embed(images), load_foreign(checkpoint).embed(images))
    assert read_header(output)["converted_from"] == "torchreid, osnet_x0_25"


def test_the_default_output_lies_beside_the_checkpoint(checkpoint: Path) -> None:
    assert main(["convert", str(checkpoint)]) == 0
    assert ReIDModel.load(checkpoint.with_name("osnet-60.safetensors")).width == 512


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("net_0.5.pth", "net_0.5"),
        ("net_0.75.pth.tar", "net_0.75"),
        ("osnet.pth.tar-60", "osnet-60"),
        ("v1.2.weights", "v1.2.weights"),
        ("SOLIDER.PTH", "SOLIDER"),
        ("best.model.ckpt", "best.model"),
        (".pth", ".pth"),
        ("model-50", "model-50"),
    ],
)
def test_only_the_ending_of_a_checkpoint_s_name_is_left_out(name: str, model: str) -> None:
    assert ENDINGS.sub("", name) == model


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{missing}"], "There is no"),
        (["{file}", "-o", "{folder}"], "is a folder"),
        (["{file}", "-o", "{folder}/model.pth"], "must end with .safetensors"),
        (["{file}", "-o", "{file}"], "must end with .safetensors"),
        (["{file}", "--last_stride", "3"], "last_stride"),
        (["{file}", "--semantic_weight", "1"], "says nothing about torchreid, osnet_x0_25"),
        (["{file}", "--image_size", "0"], "image_size"),
        (["{text}"], "cannot be read"),
    ],
)
def test_what_cannot_be_converted_ends_with_2_and_writes_nothing(
    checkpoint: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    text = checkpoint.with_name("notes.txt")
    text.write_text("no checkpoint")
    before = sorted(checkpoint.parent.iterdir())
    places = {
        "file": checkpoint,
        "folder": checkpoint.parent,
        "missing": checkpoint.parent / "missing.pth",
        "text": text,
    }
    assert main(["convert", *(word.format(**places) for word in words)]) == 2
    errors = capsys.readouterr().err
    assert said in errors
    assert "Traceback" not in errors
    assert sorted(checkpoint.parent.iterdir()) == before


def test_a_checkpoint_is_not_overwritten_by_its_own_model(checkpoint: Path) -> None:
    from safetensors.torch import save_file

    source = checkpoint.with_name("weights.safetensors")
    save_file(torch.load(checkpoint, weights_only=True)["state_dict"], source)
    content = source.read_bytes()
    assert main(["convert", str(source), "-o", str(source)]) == 2
    assert main(["convert", str(source)]) == 0
    assert source.read_bytes() == content
    assert ReIDModel.load(source.with_name("weights-strongreid.safetensors")).width == 512
