"""Drawn people: layout, counts, determinism, splits, and that pictures show what they must."""

import hashlib
import json
import math
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from strongreid.drawn import draw_people
from strongreid.drawn import generate as generate_module
from strongreid.drawn.camera import CAMERAS, cameras
from strongreid.drawn.canvas import Canvas
from strongreid.drawn.figure import draw_figure
from strongreid.drawn.person import Person, make_person
from strongreid.drawn.picture import draw_picture
from strongreid.drawn.plan import SPLITS, make_plan
from strongreid.drawn.pose import Pose
from strongreid.drawn.scene import SCENE_HEIGHT, SCENE_WIDTH, SCENES, paint_scene
from strongreid.drawn.shape import View
from strongreid.errors import InputError

NAME = re.compile(r"(-1|\d{4})_c([1-6])s([1-6])_(\d{6})_(\d{2})\.jpg")
EMPTY = (0, 255, 0)
"""A background colour that nobody wears."""
SMALL = {"train_people": 3, "test_people": 3, "images_per_person": 5, "distractors": 4, "junk": 3}


def files_of(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def labels_of(folder: Path, split: str) -> list[tuple[int, int]]:
    found = [NAME.fullmatch(path.name) for path in sorted((folder / split).iterdir())]
    return [(int(match[1]), int(match[2])) for match in found if match is not None]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_people(tmp_path_factory.mktemp("drawn") / "set", workers=1, **SMALL)


def test_the_same_seed_gives_the_same_bytes_in_one_process_and_in_two(drawn: Path, tmp_path: Path) -> None:
    again = draw_people(tmp_path / "again", workers=2, **SMALL)
    assert files_of(again) == files_of(drawn)


def test_another_seed_and_another_domain_give_other_pictures() -> None:
    first = np.asarray(draw_picture(0, 0, 1, 0, 0), dtype=int)
    assert np.array_equal(first, np.asarray(draw_picture(0, 0, 1, 0, 0)))
    for other in (draw_picture(1, 0, 1, 0, 0), draw_picture(0, 1, 1, 0, 0), draw_picture(0, 0, 1, 0, 1)):
        assert np.abs(first - np.asarray(other)).mean() > 5


def test_the_folder_has_market_1501s_layout_with_images_of_its_size(drawn: Path) -> None:
    assert sorted(path.name for path in drawn.iterdir()) == sorted([*SPLITS, "drawn.json"])
    for split in SPLITS:
        for path in (drawn / split).iterdir():
            assert NAME.fullmatch(path.name), path.name
            with Image.open(path) as image:
                assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (64, 128))
                assert np.asarray(image).std() > 8, f"{path.name} is nearly constant"


def test_the_summary_agrees_with_the_files(drawn: Path) -> None:
    summary = json.loads((drawn / "drawn.json").read_text())
    assert (summary["seed"], summary["domain"], summary["version"]) == (0, 0, generate_module.VERSION)
    assert "not real people" in summary["note"]
    for split in SPLITS:
        labels = labels_of(drawn, split)
        people = Counter(person for person, _ in labels)
        assert summary["splits"][split] == {
            "images": len(list((drawn / split).iterdir())),
            "people": len([person for person in people if person > 0]),
            "cameras": len({camera for _, camera in labels}),
            "distractors": people[0],
            "junk": people[-1],
        }
    gallery = summary["splits"]["bounding_box_test"]
    assert (gallery["distractors"], gallery["junk"], gallery["people"]) == (4, 3, 3)
    assert summary["splits"]["bounding_box_train"]["people"] == 3


@pytest.mark.parametrize("images_per_person", [4, 5, 8])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_query_has_a_match_in_another_camera(images_per_person: int, seed: int) -> None:
    plan = make_plan(20, 60, images_per_person, 10, 5, seed)
    gallery = [sheet for sheet in plan if sheet.split == "bounding_box_test"]
    queries = [sheet for sheet in plan if sheet.split == "query"]
    for query in queries:
        assert any(other.person == query.person and other.camera != query.camera for other in gallery), query
    per_person = Counter(query.person for query in queries)
    assert len(per_person) == 60
    assert set(per_person.values()) <= {1, 2, 3}
    assert images_per_person == 4 or min(per_person.values()) >= 2
    assert max(Counter((query.person, query.camera) for query in queries).values()) == 1


def test_people_of_training_and_test_are_disjoint_and_seen_by_three_cameras_at_least() -> None:
    plan = make_plan(30, 20, 8, 10, 5, 0)
    train = {sheet.person for sheet in plan if sheet.split == "bounding_box_train"}
    test = {sheet.person for sheet in plan if sheet.split != "bounding_box_train" and sheet.person > 0}
    assert (len(train), len(test), len(train & test)) == (30, 20, 0)
    images = Counter(sheet.person for sheet in plan if sheet.person > 0)
    assert len(set(images.values())) > 1, "counts are to be unequal"
    assert all(6 <= count <= 10 for count in images.values())
    for person in train | test:
        assert 3 <= len({sheet.camera for sheet in plan if sheet.person == person}) <= CAMERAS


def test_no_two_images_share_a_name_or_a_drawing() -> None:
    plan = make_plan(60, 40, 12, 60, 30, 3)
    assert len({(sheet.split, sheet.name) for sheet in plan}) == len(plan)
    assert len({(sheet.number, sheet.camera, sheet.index) for sheet in plan}) == len(plan)
    strangers = [sheet.number for sheet in plan if sheet.person <= 0]
    assert min(strangers) > 100, "a distractor must not look like one of the people"


def test_a_folder_in_use_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="Name a folder that does not exist"):
        draw_people(tmp_path, workers=1, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(InputError, match="is a file"):
        draw_people(tmp_path / "mine.txt", workers=1, **SMALL)


def test_an_empty_folder_is_filled_and_progress_counts_every_image(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    seen: list[tuple[int, int]] = []
    draw_people(folder, train_people=1, test_people=1, images_per_person=4, distractors=0, junk=1, workers=1,
                progress=lambda done, total: seen.append((done, total)))  # fmt: skip
    images = len(list(folder.rglob("*.jpg")))
    assert seen == [(done, images) for done in range(1, images + 1)]


def test_an_interrupted_drawing_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done >= 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw_people(tmp_path / "set", workers=1, progress=interrupt, **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_drawing_of_several_processes_ends_them_and_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw_people(tmp_path / "set", workers=2, progress=interrupt, **SMALL)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"images_per_person": 3}, "images_per_person is 3"),
        ({"junk": -1}, "junk is -1"),
        ({"train_people": 9000, "test_people": 1000}, "1 to 9999"),
        ({"train_people": 0, "test_people": 0}, "1 to 9999"),
        ({"workers": 0}, "workers is 0"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_impossible_numbers_are_refused(tmp_path: Path, wrong: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        draw_people(tmp_path / "set", **{**SMALL, **wrong})
    assert list(tmp_path.iterdir()) == []


def find_person(**wanted: object) -> Person:
    people = (make_person(0, 0, number) for number in range(1, 20_000))
    return next(person for person in people if all(getattr(person, key) == value for key, value in wanted.items()))


def portrait(person: Person, turn: float) -> np.ndarray:
    image = Image.new("RGB", (256, 512), EMPTY)
    view = View(turn, 0.1, 250.0, complex(128, 490))
    draw_figure(Canvas(image, -0.5), person, Pose(0.0, 0.05, "swing", 0.0), view)
    return np.asarray(image, dtype=int)


def pixels_near(image: np.ndarray, colour: tuple[int, int, int]) -> int:
    """How many pixels of the trunk have about this colour under whatever shade lies on it."""
    trunk = image[130:300, 80:176]
    wanted = np.array(colour) / np.linalg.norm(colour)
    tint = (trunk @ wanted) / np.maximum(np.linalg.norm(trunk, axis=2), 1)
    bright = np.linalg.norm(trunk, axis=2) / np.linalg.norm(colour)
    return int(((tint > 0.995) & (bright > 0.6) & (bright < 1.3)).sum())


def test_a_backpack_is_seen_from_behind_and_only_its_straps_in_front() -> None:
    person = find_person(bag="backpack", pattern="plain", headwear="none", hair="crop", top="t-shirt")
    front, back = (pixels_near(portrait(person, turn), person.bag_colour) for turn in (0.0, math.pi))
    assert back > 1000
    assert front < 0.4 * back  # straps, and its edges beside a slim person


def test_an_open_jacket_shows_its_shirt_in_front_only() -> None:
    person = find_person(top="jacket", open=True, bag="none", pattern="plain")
    front, back = (pixels_near(portrait(person, turn), person.shirt) for turn in (0.0, math.pi))
    assert front > 300
    assert back < 0.25 * front


@pytest.mark.parametrize("on_back", [False, True])
def test_a_logo_shows_from_its_own_side_only(on_back: bool) -> None:
    person = find_person(pattern="logo", on_back=on_back, top="t-shirt", bag="none", emblem=0)
    front, back = (pixels_near(portrait(person, turn), person.accent) for turn in (0.0, math.pi))
    shown, hidden = (back, front) if on_back else (front, back)
    assert shown > 300
    assert hidden < 0.25 * shown


@pytest.mark.parametrize("turn", [0.0, 0.8, math.pi / 2, math.pi, -math.pi / 2])
def test_every_kind_of_person_can_be_drawn_from_every_side(turn: float) -> None:
    for number in range(1, 13):
        image = portrait(make_person(7, 0, number), turn)
        figure = np.abs(image - np.array(EMPTY)).max(axis=2) > 40
        assert 0.05 < figure.mean() < 0.6
        rows = np.flatnonzero(figure.any(axis=1))
        assert len(rows) == rows[-1] - rows[0] + 1, "a figure has no gaps from head to feet"
        assert len(rows) > 340


def test_every_scene_can_be_painted() -> None:
    for kind in range(SCENES):
        scene = np.asarray(paint_scene(kind, np.random.default_rng(kind)))
        assert scene.shape == (SCENE_HEIGHT, SCENE_WIDTH, 3)
        assert scene.std() > 15


@pytest.mark.parametrize("domain", [0, 1])
def test_the_six_cameras_of_a_domain_differ(domain: int) -> None:
    styles = cameras(domain)
    assert len(styles) == CAMERAS
    assert len({style.scene for style in styles}) == CAMERAS
    means = [
        np.asarray(draw_picture(0, domain, 5, camera, 0), dtype=float).mean(axis=(0, 1)) for camera in range(CAMERAS)
    ]
    for first in range(CAMERAS):
        for second in range(first):
            assert np.abs(means[first] - means[second]).max() > 4


def test_people_differ_and_are_the_same_again() -> None:
    people = [make_person(0, 0, number) for number in range(1, 200)]
    assert len(set(people)) == len(people)
    make_person.cache_clear()
    assert people == [make_person(0, 0, number) for number in range(1, 200)]
    assert {person.hair for person in people} == {"bald", "short", "crop", "bob", "long", "ponytail", "bun", "afro"}
    assert {person.bag for person in people} == {"none", "backpack", "shoulder bag", "tote", "suitcase"}
