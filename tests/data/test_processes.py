"""What must be the same in every process: one more is started, with another hash seed."""

import os
import subprocess
import sys
from pathlib import Path

from strongreid.data import ImageTable, PKBatchSampler, join_sets, load_benchmark

OWN = {"folder": "own", "table": "own.csv"}
CODE = """
import sys
sys.path.insert(0, sys.argv[1])
from test_processes import facts
from pathlib import Path
print(facts(Path(sys.argv[2])))
"""


def facts(root: Path) -> str:
    """Label maps, fingerprint, batches and splits of people, as text."""
    paths = tuple(sorted(str(path) for path in (root / "campus").iterdir()))
    table = ImageTable(paths, [int(path[-11:-7]) for path in paths], [0] * len(paths))
    sampler = PKBatchSampler(table.person, 3, 2, seed=1)
    data = load_benchmark("cuhk01", root, split_seed=4)
    folder, listed = (load_benchmark(name, root / where, split_seed=2) for name, where in OWN.items())
    joined = join_sets({"first": folder, "second": data, "third": listed})
    return str(
        [
            joined.label_map,
            joined.train.person.tolist(),
            folder.query.relative_path(),
            listed.gallery.relative_path(),
            table.person_index().tolist(),
            table.fingerprint(),
            [batch.tolist() for batch in sampler],
            data.train.people.tolist(),
            data.query.path,
        ]
    )


def test_labels_fingerprints_batches_and_splits_do_not_depend_on_process_or_hash_seed(tmp_path: Path) -> None:
    (tmp_path / "campus").mkdir()
    for person in (7, 3, 11, 2, 9, 5):
        for image in (3, 1, 4, 2):
            (tmp_path / "campus" / f"{person:04}{image:03}.png").write_bytes(b"x" * person * image)
    names = ["zoe", "ann", "Bob", "é", "10", "9"]
    for name in names:
        for image in ("b.jpg", "a.jpg"):
            (tmp_path / "own" / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / "own" / name / image).write_bytes(b"x")
    rows = [f"more/{name}{camera}.jpg,{name},{camera}" for name in names for camera in ("hall", "door")]
    (tmp_path / "own.csv").write_text("\n".join(["path,person,camera", *rows]) + "\n", encoding="utf-8")
    other_seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    said = subprocess.run(
        [sys.executable, "-c", CODE, str(Path(__file__).parent), str(tmp_path)],
        env=os.environ | {"PYTHONHASHSEED": other_seed},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert said.strip() == facts(tmp_path)
