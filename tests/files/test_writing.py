import threading
from pathlib import Path

import pytest

from strongreid.files import atomic_file, atomic_folder, only_process, write_json


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    write_json(target, {"mean_ap": 0.5})
    with pytest.raises(RuntimeError), atomic_file(target) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert target.read_text() == '{\n  "mean_ap": 0.5\n}\n'
    assert list(tmp_path.iterdir()) == [target]


def test_nan_is_refused_in_json_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "result.json", {"mean_ap": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "run") as partial:
        (partial / "a").write_text("1")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with atomic_folder(tmp_path / "run") as partial:
        (partial / "a").write_text("1")
        assert not (tmp_path / "run").exists()
    assert (tmp_path / "run" / "a").read_text() == "1"


def test_only_one_at_a_time_works_on_a_path_and_the_next_one_says_that_it_waits(tmp_path: Path) -> None:
    waits, done = threading.Event(), threading.Event()

    def second() -> None:
        with only_process(tmp_path, waits.set):
            done.set()

    thread = threading.Thread(target=second)
    with only_process(tmp_path, lambda: pytest.fail("nobody else is at work")):
        thread.start()
        assert waits.wait(20)
        assert not done.wait(0.1)
    thread.join(20)
    assert done.is_set()
