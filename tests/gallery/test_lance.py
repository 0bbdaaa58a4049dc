"""What a gallery in a folder promises beyond the contract: nothing acknowledged is lost, nothing erased is left."""

import resource
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from strongreid.errors import InputError
from strongreid.gallery import Gallery
from strongreid.gallery import tuning as tuning_of_galleries
from strongreid.gallery.lance import LanceStore
from strongreid.gallery.lance_table import LanceTable
from strongreid.gallery.tuning import tune
from strongreid.gallery.where import Where
from tests.gallery.galleries import MODEL, crowd
from tests.gallery.test_where import CONDITIONS
from tests.gallery.writers import add_all, check_after_kills, started


def files(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def holding(folder: Path, content: bytes) -> list[Path]:
    return [file for file, held in files(folder).items() if content in held]


@pytest.mark.parametrize("width", [8, 64, 512])
def test_no_byte_of_an_erased_row_is_left(tmp_path: Path, width: int) -> None:
    folder = tmp_path / "gallery"
    people = crowd(200, width, seed=1)
    columns = people.columns()
    names = {"person": "Anna Example", "camera": "her front door", "track": "her way home"}
    for name, text in names.items():
        columns[name] = [text if row == 60 else f"{name}-{number}" for row, number in enumerate(columns[name].tolist())]
    gallery = Gallery.open(folder)
    small = [bytes([row] * 99) for row in range(200)]
    for rows in (slice(0, 100), slice(100, 200)):
        chosen = {name: column[rows] for name, column in columns.items()}
        gallery.add(people.features[rows], model=MODEL, **chosen, thumbnail=small[rows])
    gallery.compact()
    vector, kept = people.features[60].tobytes(), people.features[61].tobytes()
    assert holding(folder, vector)
    assert holding(folder, small[60])
    assert all(holding(folder, text.encode()) for text in (*names.values(), people.path[60], "person-3"))
    before = set(files(folder))
    assert gallery.erase(person="Anna Example").proven
    assert not any(holding(folder, text.encode()) for text in names.values())
    assert holding(folder, b"person-3")
    assert not holding(folder, vector)
    assert not holding(folder, small[60])
    assert not holding(folder, people.path[60].encode())
    assert holding(folder, kept)
    assert not before & {file for file in files(folder) if file.suffix == ".lance"}
    assert gallery.stats().count == 199


def test_one_compaction_leaves_no_file_from_before(tmp_path: Path) -> None:
    people = crowd(300, 64, seed=3)
    gallery = Gallery.open(tmp_path / "gallery")
    for rows in (slice(0, 100), slice(100, 200), slice(200, 300)):
        gallery.add(people.features[rows], model=MODEL, **people.columns(rows))
    before = {file for file in files(tmp_path) if file.parent.name == "data"}
    assert len(before) == 3
    gallery.compact()
    after = {file for file in files(tmp_path) if file.parent.name == "data"}
    assert len(after) == 1
    assert not after & before
    assert len(holding(tmp_path, people.features[7].tobytes())) == 1


def test_a_row_that_was_relabelled_is_erased_under_its_new_person(tmp_path: Path) -> None:
    people = crowd(100, 32, seed=2)
    gallery = Gallery.open(tmp_path / "gallery")
    gallery.add(people.features, model=MODEL, **people.columns())
    columns = people.columns()
    columns["person"] = np.where(np.arange(100) == 5, 500, people.person)
    gallery.add(people.features, model=MODEL, **columns)
    assert gallery.erase(person=500).count == 1
    assert not holding(tmp_path, people.features[5].tobytes())
    assert holding(tmp_path, people.features[6].tobytes())


@pytest.mark.parametrize("what", [{"person": "Anna Example"}, {"person": "nobody"}, {"older_than": "30d"}])
def test_a_name_that_was_corrected_is_not_left_by_an_erasure(tmp_path: Path, what: dict[str, str]) -> None:
    people = crowd(100, 32, seed=2)
    gallery = Gallery.open(tmp_path / "gallery")
    columns = people.columns() | {"time": None}
    for person in ("Anna Example", "Ben Example"):
        columns["person"] = [person if row == 5 else int(number) for row, number in enumerate(people.person)]
        gallery.add(people.features, model=MODEL, **columns)
    assert holding(tmp_path, b"Anna Example")
    erased = gallery.erase(**what)  # type: ignore[arg-type]
    assert (erased.count, erased.proven) == (0, True)
    assert not holding(tmp_path, b"Anna Example")
    assert holding(tmp_path, b"Ben Example")
    assert gallery.search(people.features[5:6], 1).person_name.tolist() == [["Ben Example"]]
    before = set(files(tmp_path))
    gallery.erase(person="nobody")  # nothing is left to be removed, so nothing is written anew
    assert {file for file in files(tmp_path) if file.suffix == ".lance"} <= before


def test_an_erasure_that_was_cut_short_is_finished_at_the_next_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = crowd(100, 32, seed=3)
    gallery = Gallery.open(tmp_path / "gallery")
    gallery.add(people.features, model=MODEL, **people.columns())
    some = people.features[people.person == 3][0].tobytes()

    def killed(table: LanceTable) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(LanceTable, "purge", killed)
        with pytest.raises(KeyboardInterrupt):
            gallery.erase(person=3)
    assert holding(tmp_path, some)
    kept = Gallery.open(tmp_path / "gallery").stats().count
    assert kept == (people.person != 3).sum()
    assert not holding(tmp_path, some)


def test_a_writer_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    check_after_kills(tmp_path / "gallery", kills=5, seed=0)


def test_two_processes_that_add_the_same_rows_leave_one_of_each(tmp_path: Path) -> None:
    writers = [started(add_all, tmp_path / "gallery", seed) for seed in (1, 2)]
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    people = crowd(400, 8, seed=6)
    gallery = Gallery.open(tmp_path / "gallery")
    assert gallery.stats().count == 400
    hits = gallery.search(people.features, 400)
    assert all(len(set(row)) == 400 for row in hits.key.tolist())


def test_a_row_that_racing_writers_have_stored_twice_is_found_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = crowd(1100, 8, seed=6)
    gallery = Gallery.open(tmp_path / "gallery")
    gallery.add(people.features, model=MODEL, **people.columns())
    with monkeypatch.context() as patched:  # in an object store, which has no lock, before the first is done
        patched.setattr(LanceStore, "_known_rows", lambda store, table: (store._at.state(table), {}))
        columns = people.columns(slice(1000, 1100)) | {"person": 77}
        Gallery.open(tmp_path / "gallery").add(people.features[1000:], model=MODEL, **columns)
    store = gallery.store
    assert isinstance(store, LanceStore)
    assert store._at.count() == 1200
    assert gallery.stats().count == 1100
    hits = gallery.search(people.features[[7, 1060]], 1200)
    for row in hits.path.tolist():
        assert sorted(row) == [""] * 100 + sorted(people.path)
    assert (hits.path[1, 0], hits.person[1, 0]) == (people.path[1060], 77)  # the later one
    monkeypatch.setattr(tuning_of_galleries, "QUERIES", 2000)  # all rows
    tune(gallery, 0.5, from_rows=1)
    through = gallery.search(people.features[[1060]], 5)
    assert not through.exact
    assert through.path[0, 0] == people.path[1060]
    erased = gallery.erase(person=2).count
    assert gallery.stats().count == 1100 - erased == 1000 - (people.person[:1000] == 2).sum() + 100
    assert gallery.erase(person=77).count == 100
    assert gallery.stats().count == 1000 - erased  # none comes back as the person that its other copy shows
    assert store._at.count() == 1000 - erased


def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path) -> None:
    people = crowd(600, 64, seed=7)
    gallery = Gallery.open(tmp_path / "gallery")
    gallery.add(people.features[:100], model=MODEL, **people.columns(slice(0, 100)))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))  # no file may grow beyond: as on a full disk
    try:
        with pytest.raises(InputError, match="cannot be used"):
            gallery.add(people.features[100:], model=MODEL, **people.columns(slice(100, 600)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert gallery.stats().count == 100
    assert Gallery.open(tmp_path / "gallery").add(people.features, model=MODEL, **people.columns()).added == 500


def test_places_that_cannot_be_a_gallery_are_refused(
    tmp_path: Path, as_nobody: Callable[[Path], AbstractContextManager[None]]
) -> None:
    (tmp_path / "file").write_text("text")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.jpg").write_text("text")
    features = np.ones((1, 4))
    for address, message in (
        (tmp_path / "file", "no folder"),
        ("ftp://host/gallery", "begins with ftp"),
        ("a\0b", "no folder"),
        (tmp_path / "file" / "gallery", "cannot be|ot a directory|no folder"),
        (tmp_path / "pictures", "holds other things"),
    ):
        with pytest.raises(InputError, match=message):
            Gallery.open(address).add(features, model=MODEL)
    (tmp_path / "closed").mkdir(mode=0o555)
    with as_nobody(tmp_path), pytest.raises(InputError, match="ermission denied"):
        Gallery.open(tmp_path / "closed" / "gallery").add(features, model=MODEL)


def test_any_name_of_a_folder_is_one_and_a_relative_one_stays_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = ("a b", "a#b", "a%20b", "a?b", "ü-文", "s3:x", "-x", "a'b", "[x]*")
    galleries = [Gallery.open(name) for name in names]
    for gallery in galleries:
        gallery.add(np.eye(2, 4), model=MODEL, path="a.jpg")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(names)
    monkeypatch.chdir("/")
    for gallery in galleries:
        assert gallery.search(np.eye(2, 4), 1).path.tolist() == [["a.jpg"], ["a.jpg"]]


def test_searching_goes_on_while_others_add_relabel_and_erase(tmp_path: Path) -> None:
    people = crowd(300, 16, seed=8)
    reader, writer = (Gallery.open(tmp_path / "gallery") for _ in range(2))

    def agree() -> None:
        fresh = Gallery.open(tmp_path / "gallery").search(people.features[:20], 50)
        hits = reader.search(people.features[:20], 50)
        assert hits.key.tolist() == fresh.key.tolist()
        assert hits.person.tolist() == fresh.person.tolist()
        np.testing.assert_array_equal(hits.distance, fresh.distance)

    for rows in (slice(0, 100), slice(100, 110), slice(110, 300)):
        writer.add(people.features[rows], model=MODEL, **people.columns(rows))
        agree()
    columns = people.columns()
    columns["person"] = (people.person + 1) % 5
    writer.add(people.features, model=MODEL, **columns)
    agree()
    writer.erase(person=1)
    agree()
    writer.add(people.features, model=MODEL, **people.columns())
    agree()
    writer.compact()
    agree()


def test_a_reader_is_not_disturbed_by_erasures(tmp_path: Path) -> None:
    people = crowd(400, 16, seed=13)
    columns = people.columns() | {"person": np.arange(400) // 20}
    writer, reader = (Gallery.open(tmp_path / "gallery") for _ in range(2))
    writer.add(people.features, model=MODEL, **columns)
    ended = threading.Event()

    def erase() -> None:
        for person in range(12):
            writer.erase(person=person)
        ended.set()

    with ThreadPoolExecutor(1) as pool:
        erasing = pool.submit(erase)
        seen = list[int]()
        while not ended.is_set() and not erasing.done():
            seen.append(int((reader.search(people.features[:1], 400).key != "").sum()))
        erasing.result()
    assert seen == sorted(seen, reverse=True)
    assert set(seen) <= set(range(160, 401, 20))
    assert (reader.search(people.features[:1], 400).key != "").sum() == 160


def test_what_an_erasure_removes_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = crowd(100, 8, seed=9)
    reader, writer = (Gallery.open(tmp_path / "gallery") for _ in range(2))
    writer.add(people.features, model=MODEL, **people.columns())
    at, erasing = LanceTable.at, [2, 1]

    def after_an_erasure(table: LanceTable, version: int) -> object:
        if erasing:
            writer.erase(person=erasing.pop())
        return at(table, version)

    monkeypatch.setattr(LanceTable, "at", after_an_erasure)
    hits = reader.search(people.features[:1], 100)
    assert not erasing
    assert not {1, 2} & set(hits.person[0].tolist())
    assert (hits.path != "").sum() == (~np.isin(people.person, (1, 2))).sum()


def test_a_folder_that_is_removed_or_made_anew_is_told_from_the_one_that_was_open(tmp_path: Path) -> None:
    folder, first, second = tmp_path / "gallery", np.eye(2, 4), np.eye(4)[2:]
    reader, writer = (Gallery.open(folder) for _ in range(2))
    writer.add(first, model=MODEL, path=["a", "b"])
    assert reader.search(first[:1], 1).path.tolist() == [["a"]]
    shutil.rmtree(folder)
    for gallery in (reader, writer):
        assert gallery.stats().count == 0
        with pytest.raises(InputError, match="no gallery"):
            gallery.search(first, 1)
    Gallery.open(folder).add(second, model=MODEL, path=["c", "d"])  # of the same version as the old one
    assert set(reader.search(first[:1], 3).path[0].tolist()) == {"c", "d", ""}
    assert writer.add(first, model=MODEL, path=["a", "b"]).added == 2
    assert Gallery.open(folder).stats().count == 4


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> LanceStore:
    folder = tmp_path_factory.mktemp("stored") / "gallery"
    people = crowd(200, 4, seed=9)
    columns = people.columns()
    columns |= {"time": [None if row % 7 == 0 else 3600.0 * (row % 5) for row in range(200)]}
    columns |= {"person": np.arange(200) % 6 - 1, "camera": np.arange(200) % 5 - 1}
    Gallery.open(folder).add(people.features, model=MODEL, **columns)
    return LanceStore(str(folder))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=CONDITIONS)
def test_the_database_holds_a_condition_for_the_same_rows(stored: LanceStore, where: Where) -> None:
    facts = stored.facts()
    columns = {name: getattr(facts, name) for name in ("person", "camera", "track", "time")}
    mask = where.mask(columns, np.int64(2))
    table = stored._at.require()
    assert table.count_rows(where.text("()", 2)) == int(mask.sum())


def test_an_index_is_tuned_used_from_its_size_on_and_built_again_after_an_erasure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning_of_galleries, "QUERIES", 20)
    people = crowd(2000, 32, seed=11)
    gallery = Gallery.open(tmp_path / "gallery")
    gallery.add(people.features[:900], model=MODEL, **people.columns(slice(0, 900)))
    with pytest.raises(InputError, match="1,000 rows"):
        tune(gallery)
    with pytest.raises(InputError, match="no index"):
        gallery.search(people.features[:1], exact=False)
    gallery.add(people.features[900:], model=MODEL, **people.columns(slice(900, 2000)))
    steps = list[tuple[int, int]]()
    tuning = tune(gallery, 0.9, from_rows=1990, progress=lambda done, total: steps.append((done, total)))
    assert tuning.chosen.recall >= 0.9
    assert tuning.tried[-1].probes == tuning.chosen.probes
    assert all(one.recall < 0.9 for one in tuning.tried[:-1])
    assert steps[-1][0] == steps[-1][1]

    reader = Gallery.open(tmp_path / "gallery")
    query = people.features[:50]
    found, exact = reader.search(query), reader.search(query, exact=True)
    assert not found.exact
    assert exact.exact
    assert found.path[:, 0].tolist() == exact.path[:, 0].tolist()
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found.key, exact.key, strict=True)]) > 0.8
    here = np.isin(found.key, exact.key)
    np.testing.assert_allclose(found.distance[:, 0], exact.distance[:, 0], atol=1e-6)
    assert here.any()
    alone = reader.search(query, where="camera != query and person = 2", camera=1, exact=False)
    assert set(np.unique(alone.camera)) <= {2, 3}
    assert set(np.unique(alone.person)) == {2}
    assert (reader.search(query, where="person = 77", exact=False).key == "").all()

    gone = int((people.person == 2).sum())
    vector = people.features[people.person == 2][0].tobytes()
    assert gallery.erase(person=2).proven
    assert not holding(tmp_path, vector)
    assert reader.search(query).exact  # fewer rows than it is used from on
    again = reader.search(query, exact=False)
    assert not again.exact
    assert not (again.person == 2).any()
    assert reader.stats().count == 2000 - gone


def test_a_gallery_that_changed_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    people = crowd(50, 8, seed=12)
    gallery = Gallery.open(tmp_path / "gallery")
    gallery.add(people.features, model=MODEL, **people.columns())
    store = gallery.store
    assert isinstance(store, LanceStore)
    address, state = store.begin_anew()
    new = Gallery.open(address)
    new.add(people.features[:20], model="other", **people.columns(slice(0, 20)))
    assert isinstance(new.store, LanceStore)
    assert holding(tmp_path / "gallery" / ".re-embedding", people.features[3].tobytes())
    gallery.erase(person=int(people.person[3]))
    assert not holding(tmp_path, people.features[3].tobytes())  # nor in what was begun anew
    count = gallery.stats().count
    address, _ = store.begin_anew()
    new = Gallery.open(address)
    new.add(people.features[:20], model="other")
    assert isinstance(new.store, LanceStore)
    with pytest.raises(InputError, match="meanwhile"):
        store.replace_by(new.store, state)
    assert gallery.stats().count == count
    _, state = store.begin_anew()
    new = Gallery.open(address)
    new.add(people.features[:20], model="other")
    assert isinstance(new.store, LanceStore)
    store.replace_by(new.store, state)
    assert Gallery.open(tmp_path / "gallery").stats().count == 20
    assert gallery.search(people.features[:1], model="other").key[0, 0]
