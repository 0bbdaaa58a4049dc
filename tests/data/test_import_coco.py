"""COCO files as tools write them, and as nobody should: each fault is told with its place in the file."""

import json
import re
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from strongreid.data.importing.choices import import_source
from strongreid.data.importing.sightings import Choices
from strongreid.errors import InputError
from tests.data.import_sources import imported

COCO: dict[str, Any] = {
    "images": [{"id": 7, "file_name": "door/1.png"}, {"id": "b", "file_name": "yard/2.png"}],
    "annotations": [
        {"image_id": 7, "category_id": 1, "bbox": [1, 2, 10, 20], "person_id": "ann"},
        {"image_id": "b", "category_id": 1, "bbox": [30.4, 2, 10, 20], "person_id": 5, "score": 0.5},
    ],
    "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "car"}],
}


def pictures(folder: Path) -> Path:
    for name in ("door/1.png", "yard/2.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((40, 60, 3), dtype=np.uint8)).save(folder / name)
    return folder


def written(folder: Path, content: object) -> Path:
    (folder / "coco.json").write_text(json.dumps(content))
    return folder / "coco.json"


def changed(**parts: Any) -> dict[str, Any]:
    """`COCO` with something else in the first of its `images` or `annotations`."""
    content = deepcopy(COCO)
    for name, values in parts.items():
        content[name][0] |= values
    return content


def test_a_sound_file(tmp_path: Path) -> None:
    found = import_source(written(pictures(tmp_path), COCO), Choices())
    assert not found.problems
    assert [(one.person, one.camera, one.box, one.frame, one.confidence) for one in found.sightings] == [
        ("ann", "door", (1, 2, 10, 20), None, None),
        ("5", "yard", (30, 2, 10, 20), None, 0.5),
    ]


def test_ids_that_a_tool_made_floats_of_are_read(tmp_path: Path) -> None:
    content = changed(images={"id": 7.0}, annotations={"image_id": 7, "category_id": 1.0, "person_id": 3.0})
    found = import_source(written(pictures(tmp_path), content), Choices())
    assert not found.problems
    assert [one.person for one in found.sightings] == ["3", "5"]


@pytest.mark.parametrize("name", ["images", "../pictures/images"])
def test_pictures_are_found_near_the_file_or_where_they_are_said_to_be(name: str, tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    home = (tmp_path / "annotations" / name).resolve()
    pictures(home)
    source = written(tmp_path / "annotations", COCO)
    assert len(import_source(source, Choices(frames=home)).sightings) == 2
    if name == "images":
        assert len(import_source(source, Choices()).sightings) == 2
    else:
        with pytest.raises(InputError, match=r"such as 'door/1\.png', are not beside it.*`frames`"):
            import_source(source, Choices())


def test_people_cameras_and_categories_are_found_in_the_usual_fields_and_in_those_told(tmp_path: Path) -> None:
    content = deepcopy(COCO)
    for index, one in enumerate(content["annotations"]):
        del one["person_id"]
        one |= {"track_id": 3 + index, "attributes": {"name": f"p{index}"}}
    content["annotations"].append({"image_id": 7, "category_id": 2, "bbox": [0, 0, 5, 5]})
    content["annotations"].append({"image_id": 7, "category_id": 1, "bbox": [0, 0, 5, 5], "iscrowd": 1})
    for index, one in enumerate(content["images"]):
        one |= {"video_id": index, "frame_id": index + 4, "place": f"q{index}"}
    content["videos"] = [{"id": 0, "name": "lobby"}, {"id": 1, "name": "hall"}]
    source = written(pictures(tmp_path), content)
    found = import_source(source, Choices())
    assert [(one.person, one.camera, one.track, one.frame) for one in found.sightings] == [
        ("3", "lobby", "lobby/3", 4),
        ("4", "hall", "hall/4", 5),
    ]
    assert any("1 of car" in note for note in found.notes)
    assert any("1 boxes of crowds" in note for note in found.notes)
    told = import_source(source, Choices(person_key="attributes.name", camera_key="place"))
    assert [(one.person, one.camera, one.track) for one in told.sightings] == [
        ("p0", "q0", "q0/3"),
        ("p1", "q1", "q1/4"),
    ]
    assert {one.camera for one in import_source(source, Choices(camera="door")).sightings} == {"door"}
    with pytest.raises(InputError, match="no category 'dog'; it has person, car"):
        import_source(source, Choices(category="dog"))
    with pytest.raises(InputError, match=r"images\[0\]: it has no `lens`"):
        import_source(source, Choices(camera_key="lens"))
    assert all("it has no `who`" in one for one in import_source(source, Choices(person_key="who")).problems)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "a list, not names"),
        ({"images": []}, "`annotations` is no list of objects"),
        ({"images": [1], "annotations": []}, "`images` is no list of objects"),
        ({"images": [], "annotations": []}, "there is nobody to read"),
        (changed(images={"id": None}), r"images\[0\]: the id is None"),
        (changed(images={"id": "b"}), r"images\[1\]: the id is 'b'; each image needs its own"),
        ({**COCO, "annotations": [{"image_id": 7, "category_id": 1, "bbox": [0, 0, 1, 1]}]}, "says whom it shows"),
        ({**COCO, "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]}, "several categories, none of them"),
        ({**COCO, "categories": [{"id": 9, "name": "person"}]}, "says whom it shows|no boxes of people"),
    ],
)
def test_what_is_no_coco_file_is_refused(content: object, said: str, tmp_path: Path) -> None:
    source = written(pictures(tmp_path), content)
    with pytest.raises(InputError, match=rf"coco\.json.*{said}"):
        import_source(source, Choices())


def test_what_is_no_json_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "coco.json").write_text('{\n"images": [,]}')
    with pytest.raises(InputError, match=r"coco\.json cannot be read: line 2"):
        import_source(tmp_path / "coco.json", Choices())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (changed(annotations={"image_id": 99}), "there is no image with the id 99"),
        (changed(annotations={"image_id": [7]}), r"there is no image with the id \[7\]"),
        (changed(annotations={"bbox": [1, 2, 3]}), r"bbox is \[1, 2, 3\]; it must be four numbers"),
        (changed(annotations={"bbox": [1, 2, "3", 4]}), "it must be four numbers"),
        (changed(annotations={"bbox": [1, 2, 3, True]}), "it must be four numbers"),
        (changed(annotations={"bbox": None}), "bbox is None"),
        (changed(annotations={"bbox": [60, 0, 5, 5]}), r"the box \[60, 0, 5, 5\] .* lies outside"),
        (changed(annotations={"bbox": [0, 0, 0.2, 5]}), "is empty"),
        (changed(annotations={"person_id": -1}), "`person_id` is -1; it must be a name, or a whole number from 0 on"),
        (changed(annotations={"person_id": 1.5}), "`person_id` is 1.5"),
        (changed(annotations={"person_id": None}), "it has no `person_id`"),
        (changed(annotations={"person_id": "=1+1"}), "makes a formula of it"),
        (changed(annotations={"image_id": "b", "person_id": 5}), "person 5 is in its image already"),
        (changed(images={"file_name": "../x.png"}), r"file_name of images\[0\] is '../x.png'; it must be a path below"),
        (changed(images={"file_name": "/etc/passwd"}), "it must be a path below"),
        (changed(images={"file_name": "c:\\x.png"}), "it must be a path below"),
        (changed(images={"file_name": None}), "it must be a path below"),
        (changed(images={"file_name": "x" * 300}), "there is no picture"),
        (changed(images={"file_name": "x/" * 3000}), "there is no picture"),
        (changed(images={"file_name": "door/9.png"}), r"there is no picture .*door/9\.png, the file of images\[0\]"),
    ],
)
def test_what_is_wrong_with_one_box_is_told_with_its_place(content: object, said: str, tmp_path: Path) -> None:
    found = import_source(written(pictures(tmp_path), content), Choices())
    assert len(found.sightings) == 1
    assert len(found.problems) == 1
    assert re.search(rf"coco\.json, annotations\[[01]\]: .*{said}", found.problems[0])


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "person", "door/1.png", "..", "b", "\ud800", "1"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["id", "image_id", "bbox", "person_id", "name", "category_id", "attributes"]), inner, max_size=4
    ),
    max_leaves=6,
)  # fmt: skip


@given(
    st.sampled_from(["images", "annotations", "categories", "videos"]),
    st.sampled_from(
        ["id", "file_name", "image_id", "bbox", "person_id", "category_id", "name", "video_id", "track_id", ""]
    ),
    ANYTHING,
)
@settings(max_examples=120, deadline=None)
def test_whatever_stands_in_a_file_is_read_or_told(part: str, field: str, value: object) -> None:
    content = deepcopy(COCO)
    if field:
        content.setdefault(part, [{}])[0][field] = value
    else:
        content[part] = value
    with tempfile.TemporaryDirectory() as folder:
        source = written(pictures(Path(folder)), content)
        found = imported(source)
        if isinstance(found, str):
            assert "coco.json" in found
            return
        assert all("coco.json, annotations[" in problem for problem in found.problems)
        assert all(one.path.startswith(folder) and ".." not in one.path for one in found.sightings)
