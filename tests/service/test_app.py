"""The API as a whole: what is found, filtered, shown, confirmed, logged and refused."""

import io
import json
import struct
import time
import zlib
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from PIL import Image

from strongreid.gallery import Gallery
from strongreid.gallery.audit import read_log, verify_log
from strongreid.models import embed
from strongreid.service.gate import Limits
from tests.service.conftest import ANNA, BEN, HOUR, STARTED, Room, Serve, token


def search(client: TestClient, picture: bytes, **asked: Any) -> dict[str, Any]:
    answer = client.post("/search", params=asked, files={"image": ("<script>.jpg", picture, "image/jpeg")})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def distances(room: Room, query: torch.Tensor) -> np.ndarray[Any, Any]:
    """Cosine distances in float64, by loops."""
    rows = room.features.double().numpy()
    one = query.double().numpy()
    return np.array([1 - row @ one / (np.sqrt(row @ row) * np.sqrt(one @ one)) for row in rows])


def test_the_hits_are_the_nearest_pictures_with_all_that_is_known_of_them(client: TestClient, room: Room) -> None:
    expected = distances(room, room.features[4])
    found = search(client, room.paths[4].read_bytes(), k=7)
    order = np.argsort(expected, kind="stable")[:7]
    assert [hit["rank"] for hit in found["hits"]] == list(range(1, 8))
    assert found["searched"] == len(room.paths)
    threshold = room.served.calibrated.threshold if room.served.calibrated else 0
    for hit, row in zip(found["hits"], order.tolist(), strict=True):
        assert abs(hit["distance"] - expected[row]) < 1e-5
        assert hit["name"] == room.paths[row].name
        assert (hit["camera"], hit["track"], hit["person"]) == (row % 3, row // 2, int(room.paths[row].name[:4]))
        assert np.datetime64(hit["time"].rstrip("Z")) == np.datetime64(int(STARTED + HOUR * row), "s")
        assert hit["verdict"] == ("same person" if hit["distance"] < threshold else "no match")
    assert found["calibrated"]["false_match_rate"] == 0.016
    assert len(found["calibrated"]["rates"]) == 5


def test_a_raw_body_a_form_and_a_form_with_the_parameters_say_the_same(client: TestClient, room: Room) -> None:
    picture = room.paths[0].read_bytes()
    in_form = client.post("/search", files={"image": picture}, data={"k": "3", "camera": ["1", "2"]}).json()["hits"]
    raw = client.post("/search?k=3&camera=1&camera=2", content=picture, headers={"Content-Type": "image/jpeg"}).json()[
        "hits"
    ]
    assert in_form == raw == search(client, picture, k=3, camera=[1, 2])["hits"]
    assert {hit["camera"] for hit in raw} <= {1, 2}


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ({"camera": [0, 2]}, lambda row: row % 3 != 1),
        ({"not_camera": [0, 2]}, lambda row: row % 3 == 1),
        ({"track": [3, 4]}, lambda row: row // 2 in (3, 4)),
        ({"after": "2026-10-25T20:13:20Z"}, lambda row: row >= (1_793_000_000 - STARTED) / HOUR),
        ({"after": STARTED + 5 * HOUR, "before": STARTED + 9 * HOUR}, lambda row: 5 <= row < 9),
        ({"camera": 1, "before": STARTED + 9 * HOUR}, lambda row: row % 3 == 1 and row < 9),
        ({"camera": [77]}, lambda row: False),
    ],
)
def test_filters_leave_what_they_say(client: TestClient, room: Room, asked: dict[str, Any], kept: Any) -> None:
    hits = search(client, room.paths[0].read_bytes(), k=50, **asked)["hits"]
    names = {path.name for row, path in enumerate(room.paths) if kept(row)}
    assert {hit["name"] for hit in hits} == names


def test_of_a_track_only_its_nearest_picture_is_found(client: TestClient, room: Room) -> None:
    tracks = [
        (hit["camera"], hit["track"]) for hit in search(client, room.paths[0].read_bytes(), k=9, by="track")["hits"]
    ]
    assert len(tracks) == len(set(tracks)) == 9


def test_a_box_is_searched_as_the_picture_that_it_cuts_out(client: TestClient, room: Room) -> None:
    person = Image.open(room.paths[6])
    frame = Image.new("RGB", (400, 300), "gray")
    frame.paste(person, (150, 60))
    written = io.BytesIO()
    frame.save(written, "PNG")
    box = dict(zip("xywh", (150, 60, *person.size), strict=True))
    hits = search(client, written.getvalue(), k=1, **box)["hits"]
    assert hits[0]["name"] == room.paths[6].name
    assert abs(hits[0]["distance"]) < 1e-5
    outside = client.post("/search?x=500&y=0&w=5&h=5", files={"image": written.getvalue()})
    assert (outside.status_code, "nothing of the picture" in outside.json()["came"]) == (422, True)


def test_a_photograph_that_lies_on_its_side_is_searched_upright(client: TestClient, room: Room) -> None:
    upright = Image.open(room.paths[3])
    written = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(written, "PNG", exif=exif)
    assert abs(search(client, written.getvalue(), k=1)["hits"][0]["distance"]) < 1e-5


def test_thumbnails_are_jpegs_of_rows(client: TestClient, room: Room) -> None:
    hit = search(client, room.paths[0].read_bytes(), k=1)["hits"][0]
    answer = client.get(f"/{hit['thumbnail']}")
    assert answer.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(answer.content)).format == "JPEG"
    assert client.get(f"/thumbnail/{'0' * 32}").status_code == 404
    for wrong in ("..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "' or 1=1 --", "%00", "a" * 5000):
        assert client.get(f"/thumbnail/{wrong}").status_code in (404, 422)
    for wrong in ("../app.py", "..%2fapp.py", "page.css/..", "%00", "index.html"):
        assert client.get(f"/page/{wrong}").status_code in (404, 422)


def test_without_a_thumbnail_a_hit_s_picture_is_made_of_the_file_at_its_path_and_of_no_other_file(
    serve: Serve, room: Room, tmp_path: Path
) -> None:
    frame = Image.new("RGB", (200, 200), "red")
    frame.paste(Image.new("RGB", (40, 80), "blue"), (100, 50))
    frame.save(tmp_path / "frame.png")
    (tmp_path / "secret.txt").write_text("secret")
    paths = [f"{tmp_path}/frame.png#xywh=100,50,40,80", f"{tmp_path}/secret.txt", f"{tmp_path}/gone.png", ""]
    gallery = Gallery.open(tmp_path / "gallery")
    gallery.add(room.features[:4], model=room.served.model, path=paths)
    with serve(gallery=gallery) as client:
        keys = {hit["name"]: hit["key"] for hit in search(client, room.paths[0].read_bytes(), k=4)["hits"]}
        assert set(keys) == {"frame.png", "secret.txt", "gone.png", ""}
        answer = client.get(f"/thumbnail/{keys['frame.png']}")
        red, _, blue = np.asarray(Image.open(io.BytesIO(answer.content))).reshape(-1, 3).mean(axis=0)
        assert (blue > 240, red < 15) == (True, True)
        for name in ("secret.txt", "gone.png", ""):
            refused = client.get(f"/thumbnail/{keys[name]}")
            assert (refused.status_code, "secret" in refused.text) == (404, False)
    with serve(gallery=gallery) as client:
        assert client.get(f"/thumbnail/{keys['frame.png']}").status_code == 404  # nothing was shown yet


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises very many pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (bomb(30_000, 30_000), 413),
        (bomb(10_000, 10_000), 413),
        (bomb(7_100, 7_100), 413),
        (bomb(2**31 - 1, 1), 413),
        (bomb(7_000, 7_000), 422),  # within the limit, and cut short
        (b"GIF89a", 422),
        (b"%PDF-1.7", 422),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 422),
        (b"%!PS-Adobe-3.0 EPSF-3.0", 422),
        (b"\0" * 100, 422),
        (b"", 422),
    ],
)
def test_what_is_no_picture_or_unpacks_to_too_much_is_refused(client: TestClient, content: bytes, status: int) -> None:
    answer = client.post("/search", files={"image": ("person.jpg", content, "image/jpeg")})
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"came", "allowed", "next"}


def test_what_does_not_fit_the_description_is_refused_in_one_form(client: TestClient, room: Room) -> None:
    picture = {"image": room.paths[0].read_bytes()}
    for wrong in (
        "k=0",
        "k=101",
        "k=x",
        "camera=-1",
        "camera=",
        "camera=%00",
        f"person={'x' * 513}",
        "track=99999999999999999999",
        "after=noon",
        "x=1",
        "x=1&y=1&w=0&h=5",
        "camra=1",
        "by=day",
    ):
        answer = client.post(f"/search?{wrong}", files=picture)
        assert (answer.status_code, set(answer.json())) == (422, {"came", "allowed", "next"}), wrong
    assert client.post("/search", files=picture, data={"camra": "1"}).status_code == 422
    assert client.post("/search", files={"picture": b"x"}).status_code == 422
    assert client.post("/search", files={"image": b"x", "more": b"y"}).status_code == 400
    assert client.post("/search", json={"image": "x"}).status_code == 415
    for kind in ("multipart/form-data", "multipart/form-data; boundary=x", 'multipart/form-data; boundary=""'):
        for body in (b"", b"--x", b"--x\r\nbad", b"--x\r\nA: b\r\n\r\nc\r\n--y", b"\0" * 99):
            answer = client.post("/search", content=body, headers={"Content-Type": kind})
            assert (answer.status_code in (400, 422), set(answer.json())) == (True, {"came", "allowed", "next"})
    for answer in (client.get("/search"), client.get("/nothing"), client.get("/docs"), client.put("/about")):
        assert answer.status_code in (404, 405)
        assert set(answer.json()) == {"came", "allowed", "next"}


def test_nothing_of_the_gallery_is_told_without_a_token(client: TestClient, room: Room) -> None:
    picture = {"image": room.paths[0].read_bytes()}
    paths = ("/about", "/metrics", "/waiting", f"/thumbnail/{'0' * 32}", f"/query/{'0' * 64}")
    asks = [("POST", "/search", {"files": picture}), ("POST", "/confirm", {"json": {}})]
    for header in ("", "Bearer", "Bearer ", "Bearer wrong", f"Basic {ANNA}", f"Bearer {ANNA[:-1]}", f"Bearer {ANNA}x"):
        for method, path, more in [*asks, *(("GET", path, {}) for path in paths)]:
            answer = client.request(method, path, headers={"Authorization": header}, **more)  # type: ignore[arg-type]
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert ANNA not in answer.text
    for public in ("/", "/healthz", "/openapi.json", "/page/page.js"):
        assert client.get(public, headers={"Authorization": ""}).status_code == 200


def test_every_answer_has_headers_against_scripts_frames_and_guessing(client: TestClient) -> None:
    for path in ("/", "/nothing", "/about", "/page/page.js", "/openapi.json"):
        headers = client.get(path, headers={"Origin": "https://elsewhere.example"}).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert not [name for name in headers if name.startswith("access-control")]


def test_a_match_counts_after_one_or_two_people_and_survives_a_restart(
    serve: Serve, room: Room, tmp_path: Path
) -> None:
    picture = room.paths[0].read_bytes()
    with serve(two_person=True) as client:
        found = search(client, picture, k=2)
        said = {"search": found["search"], "key": found["hits"][1]["key"]}
        for _ in range(2):  # twice by the same is once
            assert client.post("/confirm", json=said).json() == {"confirmed_by": ["anna"], "counts": False}
        (waits,) = client.get("/waiting", headers=token(BEN)).json()["matches"]
        assert (waits["key"], waits["confirmed_by"]) == (said["key"], ["anna"])
        assert client.get(f"/{waits['query']}", headers=token(BEN)).headers["content-type"] == "image/jpeg"
        for wrong in ({**said, "key": "0" * 32}, {**said, "search": "0" * 64}):
            assert client.post("/confirm", json=wrong).status_code == 404
    with serve(two_person=True) as client:
        again = search(client, picture, k=2)
        assert again["hits"][1]["confirmed_by"] == ["anna"]
        assert again["hits"][0]["confirmed_by"] == []
        said["search"] = again["search"]
        both = client.post("/confirm", json=said, headers=token(BEN)).json()
        assert both == {"confirmed_by": ["anna", "ben"], "counts": True}
        assert client.get("/waiting").json() == {"matches": []}
    with serve() as client:
        assert search(client, picture, k=2)["hits"][1]["confirmed_by"] == ["anna", "ben"]
        hit = search(client, picture, k=3)
        said = {"search": hit["search"], "key": hit["hits"][2]["key"]}
        assert client.post("/confirm", json=said, headers=token(BEN)).json()["counts"] is True
    assert verify_log(tmp_path / "audit.jsonl").problems == ()


def test_the_log_says_who_searched_with_what_and_what_was_shown(serve: Serve, room: Room, tmp_path: Path) -> None:
    picture = room.paths[0].read_bytes()
    with serve() as client:
        found = search(client, picture, k=3, camera=1, x=0, y=0, w=20, h=40)
        client.post("/confirm", json={"search": found["search"], "key": found["hits"][0]["key"]}, headers=token(BEN))
        client.post("/search", files={"image": b"none"})
    lines = list(read_log(tmp_path / "audit.jsonl"))
    assert [(line.event, line.who) for line in lines] == [
        ("start", "strongreid"), ("search", "anna"), ("confirm", "ben"), ("stop", "strongreid")
    ]  # fmt: skip
    searched, confirmed = lines[1].details, lines[2].details
    assert searched["gallery"] == room.served.address
    assert searched["query"] == sha256(picture).hexdigest() == confirmed["query"]
    assert searched["box"] == [0, 0, 20, 40]
    assert searched["asked"] == {"k": 3, "camera": [1]}
    assert [key for key, _ in searched["shown"]] == [hit["key"] for hit in found["hits"]]
    assert searched["began"] <= lines[1].time
    assert confirmed["key"] == found["hits"][0]["key"]
    assert lines[1].hash == found["search"] == confirmed["search"]
    assert picture[:100] not in (tmp_path / "audit.jsonl").read_bytes()


def test_what_cannot_be_logged_is_not_shown(serve: Serve, room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve() as client:
        with monkeypatch.context() as broken:
            broken.setattr("os.fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left on device")))
            answer = client.post("/search", files={"image": room.paths[0].read_bytes()})
        assert answer.status_code == 503
        assert "hits" not in answer.json()
        assert search(client, room.paths[0].read_bytes())["hits"]


def test_a_log_that_was_removed_takes_nothing_and_the_service_still_stops(
    serve: Serve, room: Room, tmp_path: Path
) -> None:
    with serve() as client:
        found = search(client, room.paths[0].read_bytes(), k=1)
        (tmp_path / "audit.jsonl").unlink()
        said = {"search": found["search"], "key": found["hits"][0]["key"]}
        assert client.post("/search", files={"image": room.paths[0].read_bytes()}).status_code == 503
        answer = client.post("/confirm", json=said)
        assert answer.status_code == 503
        assert "moved or removed" in answer.json()["came"]
        assert str(tmp_path) not in answer.text
        assert client.get("/waiting").json() == {"matches": []}
    assert not (tmp_path / "audit.jsonl").exists()


def test_no_photograph_goes_to_the_disk(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (900, 900, 3), dtype=np.uint8)
    Image.fromarray(noise).save(written, "PNG")
    assert len(written.getvalue()) > 2_000_000
    monkeypatch.setattr(
        "tempfile.SpooledTemporaryFile.rollover", lambda file: pytest.fail("it would be written to the disk")
    )
    assert search(client, written.getvalue())["hits"]


def test_about_and_metrics_count(client: TestClient, room: Room) -> None:
    about = client.get("/about").json()
    assert (about["count"], about["cameras"], about["who"], about["confirmations"]) == (30, [0, 1, 2], "anna", 1)
    search(client, room.paths[0].read_bytes())
    text = client.get("/metrics").text
    assert 'strongreid_requests_total{path="/search",status="200"} 1.0' in text
    assert "strongreid_gallery_pictures 30.0" in text
    assert "anna" not in text


def test_without_a_calibration_nobody_can_say(serve: Serve, room: Room) -> None:
    with serve(calibrated=None) as client:
        found = search(client, room.paths[0].read_bytes())
    assert {hit["verdict"] for hit in found["hits"]} == {"not sure"}
    assert found["calibrated"] is None


def test_an_error_of_ours_is_one_answer_and_no_traceback(
    serve: Serve, room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        image_size = (64, 32)
        interpolation = "bilinear"
        metric = "cosine"

        def embed(self, images: torch.Tensor, **options: Any) -> torch.Tensor:
            raise ArithmeticError("secret of the machine")

    with serve(network=Broken()) as client:
        answer = client.post("/search", files={"image": room.paths[0].read_bytes()})
        assert answer.status_code == 500
        assert "secret" not in answer.text
        assert "nosniff" in answer.headers["x-content-type-options"]
        assert client.get("/healthz").status_code == 200
    assert "secret of the machine" in caplog.text


def test_a_search_that_takes_too_long_is_ended(serve: Serve, room: Room) -> None:
    class Slow:
        image_size = (64, 32)
        interpolation = "bilinear"
        metric = "cosine"

        def embed(self, images: torch.Tensor, **options: Any) -> torch.Tensor:
            time.sleep(0.5)
            return embed(room.served.network, [room.paths[0]] * len(images))

    with serve(network=Slow(), limits=Limits(seconds=0.1)) as client:
        answer = client.post("/search", files={"image": room.paths[0].read_bytes()})
        assert answer.status_code == 503
        assert answer.headers["retry-after"]


def test_a_picture_that_takes_too_long_to_decode_is_not_waited_for(
    serve: Serve, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strongreid.service.answers.decode", lambda *given: time.sleep(0.5))
    with serve(limits=Limits(seconds=0.1)) as client:
        answer = client.post("/search", files={"image": room.paths[0].read_bytes()})
        assert (answer.status_code, "took longer" in answer.json()["came"]) == (503, True)


def test_the_description_names_every_refusal_and_needs_nothing_from_elsewhere(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    assert "429" in described["paths"]["/search"]["post"]["responses"]
    assert "multipart/form-data" in described["paths"]["/search"]["post"]["requestBody"]["content"]
    assert "http" not in json.dumps(described["paths"])


def test_names_are_answered_filtered_by_and_listed(serve: Serve, room: Room, tmp_path: Path) -> None:
    gallery = Gallery.open(str(tmp_path / "gallery"))
    names = ["lobby", "<b>'stairs'</b>", 3]
    columns = {"person": ["anna", None, 7] * 3, "camera": [one for one in names for _ in range(3)], "track": "t"}
    gallery.add(room.features[:9], model=room.served.model, **columns)
    picture = room.paths[0].read_bytes()
    with serve(gallery=gallery) as client:
        about = client.get("/about").json()
        assert about["camera_names"] == ["3", "<b>'stairs'</b>", "lobby"]
        assert len(about["cameras"]) == 3
        hits = search(client, picture, camera=["lobby", "3"])["hits"]
        assert {hit["camera_name"] for hit in hits} == {"lobby", None}
        assert {hit["camera"] for hit in hits if hit["camera_name"] is None} == {3}
        assert {(hit["person"] is None, hit["person_name"]) for hit in hits} == {
            (False, "anna"),
            (True, None),
            (False, None),
        }
        assert {hit["track_name"] for hit in hits} == {"t"}
        assert len(search(client, picture, not_camera="<b>'stairs'</b>", person="anna")["hits"]) == 2
        number = next(hit["person"] for hit in hits if hit["person_name"] == "anna")
        assert len(search(client, picture, person=number)["hits"]) == 3
        assert search(client, picture, person="' or 1 = 1 --")["hits"] == []
        in_form = client.post("/search", files={"image": picture}, data={"camera": ["lobby", "3"], "person": "7"})
        assert {hit["person"] for hit in in_form.json()["hits"]} == {7}
    asked = [line.details["asked"] for line in read_log(tmp_path / "audit.jsonl") if line.event == "search"]
    assert asked[0] == {"camera": ["lobby", 3]}
    assert asked[1]["not_camera"] == ["<b>'stairs'</b>"]
