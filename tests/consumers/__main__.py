"""Exported files in their consumers: `make consumers`. Not part of `make test`, because it installs other programs.

Trains two small networks on drawn people, exports them, lets each consumer load the files by its own loader in its own
environment, and compares what it gives for the same people. Prints a table, which goes to docs/consumers.md with
--write; ends with 1 where a cosine is below 0.999, or where a file made for ANOTHER consumer would have passed too.
"""

import argparse
import datetime
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from strongreid.cli import main as strongreid
from strongreid.drawn.picture import draw_picture
from strongreid.models import ReIDModel

LEAST = 0.999
PEOPLE, SIZE = 12, (128, 64)
CROPS = {"exact": SIZE, "larger": (211, 97), "smaller": (77, 41)}
"""Sizes of the frames: the model's own, and two that the consumer must resize."""
HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs" / "consumers.md"
Row = tuple[str, str, str, float, str]


def trained(folder: Path, name: str, epochs: int, *words: str) -> Path:
    """A run on drawn people, long enough that people differ."""
    people = folder / "people"
    if not people.exists():
        assert strongreid(["data", "draw", str(people), "--train_people", "40", "--test_people", "20"]) == 0
    common = [
        "--recipe=bag_of_tricks_small",
        f"--output={folder / 'runs'}",
        f"--epochs={epochs}",
        f"--model.image_size=[{SIZE[0]},{SIZE[1]}]",
    ]
    assert strongreid(["train", "drawn", str(people), f"--name={name}", *common, *words]) == 0
    return folder / "runs" / name


def exports(folder: Path, strong: Path, plain: Path) -> dict[str, dict[str, str]]:
    """Files by name: who loads them, and where they are; those called `wrong` were made for somebody else."""
    half, four, unit = ["--precision=float16"], ["--batch=4"], ["--l2=true"]
    wanted = [
        ("ultralytics", "ultralytics", strong, []),
        ("ultralytics float16", "ultralytics", strong, half),
        ("ultralytics batch 4", "ultralytics", strong, four),
        ("ultralytics length 1", "ultralytics", strong, unit),
        ("boxmot", "boxmot", strong, []),
        ("boxmot float16", "boxmot", strong, half),
        ("boxmot batch 4", "boxmot", strong, four),
        ("roboflow", "roboflow", plain, []),
    ]
    files = {}
    for name, consumer, run, options in wanted:
        path = folder / f"{name.replace(' ', '_')}{'' if consumer == 'roboflow' else '.onnx'}"
        assert strongreid(["export", str(run), "--for", consumer, "--output", str(path), *options]) == 0
        files[name] = {"consumer": consumer, "path": str(path), "model": str(run)}
    files["adapter"] = {"consumer": "adapter", "path": str(strong), "model": str(strong)}
    for consumer, other in (("ultralytics", "boxmot"), ("boxmot", "ultralytics")):
        files[f"wrong {consumer}"] = {**files[consumer], "path": files[other]["path"]}
    return files


def frames() -> dict[str, np.ndarray]:
    """Frames uint8 [N, H, W, 3], BGR as OpenCV gives them, each one drawn person."""
    pictures = [draw_picture(3, 0, number, number % 6, 1) for number in range(1, PEOPLE + 1)]
    return {
        name: np.stack(
            [np.asarray(one.resize((width, height), Image.Resampling.BICUBIC))[:, :, ::-1] for one in pictures]
        )
        for name, (height, width) in CROPS.items()
    }


def cosines(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Cosine of each picture's features in each copy: [N, copies]."""
    expected = expected[:, None, :]
    lengths = np.linalg.norm(found, axis=-1) * np.linalg.norm(expected, axis=-1)
    return (found.astype(np.float64) * expected).sum(axis=-1) / lengths


def run_inside(consumer: str, environments: Path, folder: Path) -> dict[str, np.ndarray]:
    """Run a consumer in its environment and return what it gave."""
    python = environments / consumer / "bin" / "python"
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1] / "src"), "YOLO_CONFIG_DIR": str(folder)}
    command = [str(python), str(HERE / "inside.py"), consumer, str(folder)]
    ended = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(f"{consumer} failed:\n{ended.stdout[-4000:]}{ended.stderr[-4000:]}")
    with np.load(folder / f"{consumer}.npz") as arrays:
        return dict(arrays)


def prove(environments: Path, folder: Path) -> tuple[list[Row], list[str]]:
    """The rows of the table, and what failed."""
    strong = trained(folder, "strong", 6)
    plain = trained(
        folder, "plain", 2, "--model.backbone=resnet18", "--model.last_stride=2", "--model.neck=none",
        "--evaluation.feature=pooled", "--evaluation.metric=cosine",
    )  # fmt: skip
    files, pictures = exports(folder, strong, plain), frames()
    (folder / "files.json").write_text(json.dumps(files))
    np.savez(folder / "frames.npz", **pictures)
    box = {name: [[0, 0, width, height]] for name, (height, width) in CROPS.items()}
    expected = {
        (str(run), name): np.concatenate([ReIDModel.load(run).extract_embeddings(box[name], one) for one in some])
        for run in (strong, plain)
        for name, some in pictures.items()
    }
    features = expected[str(strong), "exact"]
    np.save(folder / "features.npy", features)
    rows: list[Row] = []
    failed = []
    for consumer in ("ultralytics", "boxmot", "roboflow"):
        found = run_inside(consumer, environments, folder)
        versions = ", ".join(found["versions"].tolist())
        for name, entry in files.items():
            if f"{name}/exact" not in found:
                continue
            least = {
                size: float(cosines(found[f"{name}/{size}"], expected[entry["model"], size]).min()) for size in CROPS
            }
            wrong = name.startswith("wrong")
            if (least["exact"] >= LEAST) == wrong:
                failed.append(f"{name}: {least['exact']:.5f}")
            resized = "" if wrong else f"{least['larger']:.3f} / {least['smaller']:.3f}"
            rows.append((consumer, versions, name, least["exact"], resized))
    found = run_inside("norfair", environments, folder)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    difference = float(np.abs(found["norfair"] - (1 - unit @ unit.T)).max())
    if difference > 1e-5:
        failed.append(f"norfair: distances differ by {difference:.1e}")
    rows.append(("norfair", ", ".join(found["versions"].tolist()), "norfair_distance", 1 - difference, ""))
    return rows, failed


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    head = (
        "| consumer | versions | file | least cosine, crops of the model's size | larger / smaller crops |\n"
        "|---|---|---|---|---|"
    )
    return "\n".join([head, *(f"| {a} | {b} | {c} | {cosine:.6f} | {e} |" for a, b, c, cosine, e in rows)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environments", type=Path, default=Path(".consumers"))
    parser.add_argument("--write", action="store_true", help="write the table into docs/consumers.md")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        rows, failed = prove(options.environments.absolute(), Path(folder))
    print(table(rows))
    if failed:
        sys.exit(f"Not proven: {'; '.join(failed)}")
    if options.write:
        block = f"<!-- proven -->\nProven on {datetime.date.today()}.\n\n{table(rows)}\n<!-- /proven -->"
        text = DOCS.read_text(encoding="utf-8")
        DOCS.write_text(re.sub(r"<!-- proven -->.*<!-- /proven -->", block, text, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
