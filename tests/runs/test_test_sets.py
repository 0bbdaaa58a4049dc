"""Several sets: trained on together, tested on each, and one trained on while another is tested on."""

import json
import shutil
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from strongreid import build
from strongreid.cli import main
from strongreid.config import Config
from strongreid.config_sections import SetConfig
from strongreid.data import DomainBalancedSampler, PKBatchSampler, load_benchmark
from strongreid.drawn import draw_people
from strongreid.errors import InputError
from strongreid.recipes import read_config, recipe_path
from strongreid.reports.console import Console
from strongreid.runs import evaluate, test_sets
from strongreid.runs.disk import tell_disk_need
from tests.conftest import small_training


@pytest.fixture(scope="module")
def abroad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another drawn set, from another domain. Read only."""
    folder = tmp_path_factory.mktemp("abroad") / "people"
    return draw_people(
        folder, train_people=5, test_people=4, images_per_person=4, distractors=0, junk=0, seed=3, domain=1, workers=1
    )


def words(drawn: Path, abroad: Path, output: Path) -> list[str]:
    """A short training on both sets, tested on both."""
    more = f"{{name: market1501, root: {abroad}, label: abroad}}"
    return [
        *small_training(drawn, output),
        "--schedule.epochs=1",
        "--schedule.warmup_epochs=0",
        "--schedule.milestones=[]",
        "--batch.domain_balanced=true",
        f"--data.joined+={more}",
        f"--data.tested+={more}",
    ]


@pytest.fixture(scope="module")
def joined(drawn: Path, abroad: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run on both sets. Read only."""
    output = tmp_path_factory.mktemp("joined")
    assert main(words(drawn, abroad, output)) == 0
    return output / "bag_of_tricks_small-drawn+abroad-seed0"


def test_people_of_all_sets_are_learned_and_each_set_is_tested(joined: Path, drawn: Path, abroad: Path) -> None:
    record, result = (json.loads((joined / name).read_text()) for name in ("run.json", "result.json"))
    people = [("drawn", drawn), ("abroad", abroad)]
    expected = [
        [name, int(person)]
        for name, root in people
        for person in sorted({path.name[:4] for path in (root / "bounding_box_train").iterdir()})
    ]
    assert record["label_map"] == expected
    assert len(expected) == 15
    assert result["tested"].keys() == {"abroad"}
    queries = len(list((abroad / "query").iterdir()))
    assert result["tested"]["abroad"]["valid_queries"] == queries != result["valid_queries"]
    assert record["data"]["fingerprint"]["tested"].keys() == {"abroad"}


def test_a_run_is_evaluated_again_on_each_of_its_sets(
    joined: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["evaluate", str(joined), f"--json={tmp_path / 'again.json'}"]) == 0
    again, result = (json.loads(path.read_text()) for path in (tmp_path / "again.json", joined / "result.json"))
    assert again["mean_ap"] == result["mean_ap"]
    assert again["tested"]["abroad"].items() >= result["tested"]["abroad"].items()
    assert "abroad" in capsys.readouterr().err
    assert main(["train", "--resume", str(joined)]) == 0  # finished: its table is shown
    assert "abroad" in capsys.readouterr().err


def test_a_run_is_evaluated_on_a_set_that_it_does_not_know(
    joined: Path, abroad: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.json"
    assert main(["evaluate", str(joined), "--data_name=market1501", f"--data_root={abroad}", f"--json={out}"]) == 0
    found, known = json.loads(out.read_text()), json.loads((joined / "result.json").read_text())["tested"]["abroad"]
    assert "tested" not in found
    assert found.items() >= known.items()
    capsys.readouterr()
    assert main(["evaluate", str(joined), "--data_name=cuhk01"]) == 2
    assert "--data.root" in capsys.readouterr().err
    assert main(["evaluate", str(joined), "--split_seed=1"]) == 2
    assert "--data.name" in capsys.readouterr().err


def test_resuming_refuses_another_joined_or_tested_set(
    joined: Path, abroad: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = Path(shutil.copytree(abroad, tmp_path / "abroad"))
    run = Path(shutil.copytree(joined, tmp_path / "run"))
    (run / "result.json").unlink()
    settings = run / "config.yaml"
    settings.write_text(settings.read_text().replace(str(abroad), str(moved)))
    for part in ("bounding_box_train", "query"):
        victim = min((moved / part).iterdir())
        victim.write_bytes(victim.read_bytes() + b"\0")
        assert main(["train", "--resume", str(run)]) == 2
        assert "fingerprints" in capsys.readouterr().err
        victim.write_bytes(victim.read_bytes()[:-1])
    assert main(["train", "--resume", str(run)]) == 0, "the same images elsewhere are the same data"


def test_sets_that_were_moved_are_named_to_resume_and_to_evaluate(
    joined: Path, abroad: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, moved = Path(shutil.copytree(joined, tmp_path / "run")), tmp_path / "moved"
    expected = json.loads((run / "result.json").read_text())
    (run / "result.json").unlink()
    abroad.rename(moved)
    try:
        for words in (["train", "--resume", str(run)], ["evaluate", str(run), f"--json={tmp_path / 'out.json'}"]):
            capsys.readouterr()
            assert main(words) == 2
            (line,) = capsys.readouterr().err.splitlines()[-1:]
            assert "--data.root DIR, --moved abroad=DIR." in line
            assert line.count("--data.root") == 1
            for wrong, part in (("elsewhere=x", "no set elsewhere"), ("abroad", "NAME=DIR"), ("abroad=", "NAME=DIR")):
                assert main([*words, "--moved", wrong]) == 2
                assert part in capsys.readouterr().err
            assert main([*words, "--moved", f"abroad={moved}"]) == 0
        assert json.loads((run / "result.json").read_text())["tested"] == expected["tested"]
        assert json.loads((tmp_path / "out.json").read_text())["mean_ap"] == expected["mean_ap"]
    finally:
        moved.rename(abroad)


def config_of(drawn: Path, output: Path, *more: str) -> Config:
    return read_config(recipe_path("bag_of_tricks_small"), [*small_training(drawn, output)[2:], *more])


def test_batches_are_balanced_where_asked_for(drawn: Path, abroad: Path, tmp_path: Path) -> None:
    more = f"--data.joined=[{{name: market1501, root: {abroad}, label: abroad}}]"
    plain = config_of(drawn, tmp_path, more)
    data = build.build_data(plain)
    assert data.train.domain is not None
    assert isinstance(build.build_sampler(plain, data.train), PKBatchSampler)
    sampler = build.build_sampler(config_of(drawn, tmp_path, more, "--batch.domain_balanced=true"), data.train)
    assert isinstance(sampler, DomainBalancedSampler)
    for batch in sampler:
        assert np.bincount(data.train.domain[batch]).tolist() == [4, 4]  # of 4 people with 2 images each


def test_sets_that_cannot_be_joined_name_the_field(drawn: Path, abroad: Path, tmp_path: Path) -> None:
    for field in ("joined", "tested"):
        with pytest.raises(InputError, match=rf"data\.{field}.*'market1501'.*label"):
            config_of(drawn, tmp_path, f"--data.{field}=[{{name: market1501, root: {abroad}}}]")
    twice = config_of(drawn, tmp_path, f"--data.joined=[{{name: market1501, root: {drawn}, label: again}}]")
    with pytest.raises(InputError, match="join each set once"):
        build.build_data(twice)
    crowded = "--data.joined=[{name: market1501, root: %s, label: abroad}]" % abroad  # noqa: UP031 - braces
    config = config_of(drawn, tmp_path, crowded, "--batch.domain_balanced=true", "--batch.people_per_batch=12")
    with pytest.raises(InputError, match=r"batch\.people_per_batch.* 6 from each of 2 sets.* 5 people"):
        build.build_sampler(config, build.build_data(config).train)


def people_in_folders(drawn: Path, root: Path) -> Path:
    for path in sorted(drawn.glob("*/0*.jpg")):
        if not path.name.startswith("0000"):
            (root / path.name[:4]).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, root / path.name[:4] / path.name)
    return root


def test_a_set_split_in_two_ways_is_not_trained_and_tested_on(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = people_in_folders(drawn, tmp_path / "own")
    words = [*small_training(root, tmp_path / "runs"), "--data.name=folder"]
    assert main([*words, f"--data.tested+={{name: folder, root: {root}, split_seed: 1, label: again}}"]) == 2
    said = capsys.readouterr().err
    assert "`again` tests with it" in said
    assert "split_seed" in said
    assert not (tmp_path / "runs").exists(), "it is refused before anything is decoded"


def test_a_run_evaluated_with_another_split_of_its_set_is_warned_of(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(Console, "say", lambda console, text: said.append(text))

    def warnings(learned: str, tested: SetConfig) -> list[str]:
        said.clear()
        config = config_of(drawn, tmp_path, "--data.name=veri776", f"--data.joined=[{{name: {learned}, root: a}}]")
        evaluate._warn_of_another_split(config, tested, Console(quiet=True))
        return said

    (warning,) = warnings("cuhk01", SetConfig("cuhk01", Path("a"), split_seed=1))
    assert "trained on cuhk01 with split seed 0; with split seed 1" in warning
    assert warnings("folder", SetConfig("folder", Path("a"), split_seed=2))
    assert not warnings("cuhk01", SetConfig("cuhk01", Path("a"), split_seed=0))
    assert not warnings("cuhk01", SetConfig("folder", Path("a"), split_seed=1))
    assert not warnings("market1501", SetConfig("market1501", Path("a"), split_seed=1)), "its split is published"


def test_settings_from_a_file_and_from_words_are_the_same(tmp_path: Path) -> None:
    written = tmp_path / "mine.yaml"
    written.write_text(
        "data:\n  root: a\n  joined:\n  - {name: cuhk01, root: b, split_seed: 3}\n  - {name: veri776, root: c}\n"
    )
    base = recipe_path("bag_of_tricks")
    flat = [
        "--data.root=a",
        "--data.joined+={name: cuhk01, root: b, split_seed: 3}",
        "--data.joined+={name: veri776, root: c}",
    ]
    expected = [SetConfig("cuhk01", Path("b"), 3), SetConfig("veri776", Path("c"))]
    assert read_config(written).data.joined == expected
    assert read_config(base, flat).data.joined == expected


def test_the_disk_need_is_told_once_and_before_anything_is_written(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(drawn, tmp_path, f"--data.cache={tmp_path / 'packs'}")
    data = load_benchmark("market1501", drawn)
    images = sum(len(table) for table in (data.train, data.query, data.gallery))
    said: list[tuple[str, bool]] = []
    monkeypatch.setattr(Console, "say", lambda console, text: said.append((text, (tmp_path / "packs").exists())))
    test_sets.prepare(config, Console(quiet=True))
    (text, written), *bars = said
    assert "are free" in text
    assert all(line.startswith("Decoding ") for line, _ in bars)
    assert f"{(images * 3 * 64 * 32 + 3 * 128) / 1e6:.1f} MB in {tmp_path / 'packs'}" in text
    assert not written
    said.clear()
    test_sets.prepare(config, Console(quiet=True))
    assert not said


def test_too_small_a_disk_is_refused_before_anything_is_written(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "packs"
    usage = shutil.disk_usage(tmp_path)
    for free, refused in ((2_000_000, False), (1_999_999, True)):
        monkeypatch.setattr(shutil, "disk_usage", lambda where, free=free: usage._replace(free=free))
        with pytest.raises(InputError, match=r"take 2\.0 MB in .*packs.*Make room") if refused else nullcontext():
            tell_disk_need(2_000_000, folder, Console(quiet=True))
    config = config_of(drawn, tmp_path, f"--data.cache={folder}")
    monkeypatch.setattr(shutil, "disk_usage", lambda where: usage._replace(free=1000))
    with pytest.raises(InputError, match="Make room"):
        test_sets.prepare(config, Console(quiet=True))
    assert not folder.exists()


def test_counts_that_differ_are_a_warning_in_training(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(shutil.copytree(drawn, tmp_path / "people"))
    removed = min((root / "bounding_box_train").iterdir())
    removed.unlink()
    said: list[str] = []
    monkeypatch.setattr(Console, "say", lambda console, text: said.append(text))
    test_sets.prepare(config_of(root, tmp_path), Console(quiet=True))
    assert said[0].startswith(f"Warning: {root / 'bounding_box_train'}: the train part has ")
