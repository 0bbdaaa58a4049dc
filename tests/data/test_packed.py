import errno
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from strongreid.data import Augmentation, decoding
from strongreid.data import packed as room
from strongreid.data.packed import PackedImages, _partial, bytes_to_pack, fits_on_device, pack_bytes, pack_path
from strongreid.data.table import ImageTable
from strongreid.errors import InputError
from strongreid.pixels import reading_process

SIZE = (32, 16)


def noise(mode: str, size: tuple[int, int], seed: int) -> Image.Image:
    channels = {"L": (), "RGB": (3,), "RGBA": (4,), "LA": (2,), "P": (3,), "1": (3,), "CMYK": (4,)}[mode]
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, *channels), dtype=np.uint8)
    if mode in ("P", "1"):
        return Image.fromarray(pixels).convert(mode)
    return Image.fromarray(pixels, mode if mode in ("LA", "CMYK") else None)


def table_of(folder: Path, count: int, size: tuple[int, int] = (20, 10)) -> ImageTable:
    folder.mkdir(parents=True, exist_ok=True)
    for row in range(count):
        noise("RGB", size, row).save(folder / f"{row:04}.jpg")
    paths = tuple(str(folder / f"{row:04}.jpg") for row in range(count))
    return ImageTable(paths, np.arange(count), np.zeros(count, dtype=np.int64))


def by_torchvision(path: str, size: tuple[int, int]) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(transforms.Resize(size)(image.convert("RGB"))).transpose(2, 0, 1)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [(mode, "png") for mode in ("RGB", "L", "RGBA", "LA", "P", "1")] + [(mode, "jpg") for mode in ("RGB", "L", "CMYK")],
)
def test_rows_are_byte_for_byte_torchvision_s_resize(mode: str, suffix: str, tmp_path: Path) -> None:
    paths = []
    for row, size in enumerate([(128, 64), (33, 71), SIZE, (7, 5), (160, 60)]):
        paths.append(str(tmp_path / f"{row}.{suffix}"))
        noise(mode, size, row).save(paths[-1])
    for size in (SIZE, (256, 128)):
        packed = PackedImages.build(ImageTable(tuple(paths), range(5), [0] * 5), size, tmp_path / "packs")
        assert packed.size == size
        assert len(packed) == 5
        for row, path in enumerate(paths):
            assert np.array_equal(packed[np.array([row])][0].numpy(), by_torchvision(path, size)), (row, size)


def test_gathering_follows_the_indices_and_gives_copies(tmp_path: Path) -> None:
    table = table_of(tmp_path / "images", 9)
    packed = PackedImages.build(table, SIZE, tmp_path)
    rows = np.array([3, 3, 0, 8], dtype=np.int64)
    batch = packed[rows]
    assert batch.dtype == torch.uint8
    assert batch.shape == (4, 3, *SIZE)
    for place, row in enumerate(rows):
        assert np.array_equal(batch[place].numpy(), by_torchvision(table.path[row], SIZE))
    batch.zero_()
    assert packed[rows].any()


def test_boxes_are_cut_from_their_frames_before_resizing(tmp_path: Path) -> None:
    frame = noise("RGB", (60, 80), 0)
    frame.save(tmp_path / "frame.png")
    boxes = [[0, 0, 80, 60], [10, 20, 30, 40], [79, 59, 1, 1], [-5, 50, 20, 30]]
    table = ImageTable((str(tmp_path / "frame.png"),) * 4, range(4), [0] * 4, box=boxes)
    packed = PackedImages.build(table, SIZE, tmp_path)
    for row, (left, top, right, bottom) in enumerate(
        [(0, 0, 80, 60), (10, 20, 40, 60), (79, 59, 80, 60), (0, 50, 15, 60)]
    ):
        expected = np.asarray(transforms.Resize(SIZE)(frame.crop((left, top, right, bottom)))).transpose(2, 0, 1)
        assert np.array_equal(packed[np.array([row])][0].numpy(), expected)


def test_a_box_outside_its_frame_is_named_and_nothing_left_behind(tmp_path: Path) -> None:
    noise("RGB", (60, 80), 0).save(tmp_path / "frame.png")
    table = ImageTable((str(tmp_path / "frame.png"),), [1], [0], box=[[80, 0, 5, 5]])
    with pytest.raises(InputError, match=r"\[80, 0, 5, 5\].*outside .*frame\.png"):
        PackedImages.build(table, SIZE, tmp_path / "packs")
    assert list((tmp_path / "packs").iterdir()) == []


def test_progress_rises_to_the_whole_and_a_valid_pack_is_reused(tmp_path: Path) -> None:
    table = table_of(tmp_path / "images", 70)
    said: list[tuple[int, int]] = []
    assert bytes_to_pack([table], SIZE, tmp_path / "packs") == pack_bytes(table, SIZE)
    first = PackedImages.build(table, SIZE, tmp_path / "packs", lambda done, total: said.append((done, total)))
    assert said[-1] == (70, 70)
    assert bytes_to_pack([table], SIZE, tmp_path / "packs") == 0
    assert sorted(said) == said
    assert [file.stat().st_size for file in (tmp_path / "packs").iterdir()] == [pack_bytes(table, SIZE)]
    again = PackedImages.build(table, SIZE, tmp_path / "packs", lambda done, total: pytest.fail("built again"))
    assert torch.equal(first[np.arange(70)], again[np.arange(70)])


def test_the_pack_is_the_same_array_for_numpy(tmp_path: Path) -> None:
    table = table_of(tmp_path / "images", 3)
    packed = PackedImages.build(table, SIZE, tmp_path)
    assert np.array_equal(np.load(pack_path(table, SIZE, tmp_path)), packed[np.arange(3)].numpy())


def test_a_replaced_image_of_the_same_size_gives_another_pack(tmp_path: Path) -> None:
    table = table_of(tmp_path / "images", 4)
    before = pack_path(table, SIZE, tmp_path)
    content = Path(table.path[1]).read_bytes()
    fingerprint = table.fingerprint()
    Path(table.path[1]).write_bytes(content[:-10] + b"other byte")
    os.utime(table.path[1], (1, 1))
    assert table.fingerprint() == fingerprint, "the fingerprint looks at sizes"
    assert pack_path(table, SIZE, tmp_path) != before, "the pack looks at time stamps too"


@pytest.mark.parametrize("cut", [0, 60, 128, 5000, 1])
def test_a_truncated_pack_is_never_used(cut: int, tmp_path: Path) -> None:
    table = table_of(tmp_path / "images", 40)
    whole = PackedImages.build(table, SIZE, tmp_path / "packs")[np.arange(40)].clone()
    path = pack_path(table, SIZE, tmp_path / "packs")
    content = path.read_bytes()
    path.write_bytes(content[:cut] if cut != 1 else content + b"x")
    assert torch.equal(PackedImages.build(table, SIZE, tmp_path / "packs")[np.arange(40)], whole)
    assert path.read_bytes() == content


@pytest.mark.parametrize("damage", ["cut", "text", "missing", "empty"])
def test_a_corrupt_image_is_named_and_nothing_left_behind(damage: str, tmp_path: Path) -> None:
    table = table_of(tmp_path / "images", 90)
    bad = Path(table.path[77])
    if damage == "missing":
        bad.unlink()
    else:
        bad.write_bytes({"cut": bad.read_bytes()[:300], "text": b"no image", "empty": b""}[damage])
    with pytest.raises(InputError, match=r"0077\.jpg"):
        PackedImages.build(table, SIZE, tmp_path / "packs")
    assert not (tmp_path / "packs").exists() or list((tmp_path / "packs").iterdir()) == []


def test_a_killed_build_leaves_no_pack_and_goes_on_where_it_was(tmp_path: Path) -> None:
    table = table_of(tmp_path / "images", 130)
    folder = tmp_path / "packs"
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # of forking beside threads: the child takes no lock of theirs
        child = os.fork()
    if child == 0:
        PackedImages.build(table, SIZE, folder, lambda done, total: done >= 64 and os.kill(os.getpid(), signal.SIGKILL))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    path = pack_path(table, SIZE, folder)
    assert not path.exists()
    said: list[int] = []
    packed = PackedImages.build(table, SIZE, folder, lambda done, total: said.append(done))
    assert len(said) < 5, "what was decoded is not decoded again"
    assert [file.name for file in folder.iterdir()] == [path.name]
    for row in range(130):
        assert np.array_equal(packed[np.array([row])][0].numpy(), by_torchvision(table.path[row], SIZE))


@pytest.mark.parametrize("bytes_left", [1, 100, 128, 128 + 3 * 32 * 16 + 1, 10**9])
def test_a_partial_file_of_any_length_is_mended(bytes_left: int, tmp_path: Path) -> None:
    table = table_of(tmp_path / "images", 5)
    whole = PackedImages.build(table, SIZE, tmp_path / "packs")
    expected = whole[np.arange(5)]
    path = pack_path(table, SIZE, tmp_path / "packs")
    content = path.read_bytes()
    path.unlink()
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes((content + b"\0" * 5000)[: min(bytes_left, len(content) + 5000)])
    assert bytes_to_pack([table], SIZE, tmp_path / "packs") == max(len(content) - bytes_left, 0)
    assert torch.equal(PackedImages.build(table, SIZE, tmp_path / "packs")[np.arange(5)], expected)
    assert not partial.exists()


def test_one_process_builds_while_others_wait(tmp_path: Path) -> None:
    table = table_of(tmp_path / "images", 5)
    folder = tmp_path / "packs"
    folder.mkdir()
    holder = os.open(folder, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    built: list[PackedImages] = []
    waiting = threading.Thread(target=lambda: built.append(PackedImages.build(table, SIZE, folder)))
    waiting.start()
    time.sleep(0.3)
    assert not built
    # What the other builder made meanwhile is taken, not made again.
    PackedImages.build(table, SIZE, tmp_path / "elsewhere")
    made = pack_path(table, SIZE, tmp_path / "elsewhere")
    shutil.copy2(made, folder / made.name)
    stamp = (folder / made.name).stat().st_mtime_ns
    os.close(holder)
    waiting.join(timeout=20)
    assert len(built) == 1
    assert (folder / made.name).stat().st_mtime_ns == stamp


def build_in_a_child(table: ImageTable, folder: Path) -> int:
    """Start a process that ends with 0 if it took a pack that was there, 1 if it built it, 2 if its pack is wrong."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads, as above
        child = os.fork()
    if child:
        return child
    code = 2
    try:
        built: list[int] = []
        packed = PackedImages.build(table, SIZE, folder, lambda done, total: built.append(done))
        last = len(table) - 1
        if np.array_equal(packed[np.array([last])][0].numpy(), by_torchvision(table.path[last], SIZE)):
            code = int(bool(built))
    finally:
        os._exit(code)


def test_of_several_processes_one_builds_and_all_read_the_same_file(tmp_path: Path) -> None:
    table, folder = table_of(tmp_path / "images", 70), tmp_path / "packs"
    folder.mkdir()
    holder = os.open(folder, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)  # until all of them wait
    children = [build_in_a_child(table, folder) for _ in range(3)]
    time.sleep(0.2)
    fcntl.flock(holder, fcntl.LOCK_UN)
    os.close(holder)
    assert sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children) == [0, 0, 1]
    assert [file.name for file in folder.iterdir()] == [pack_path(table, SIZE, folder).name]


def test_the_disk_s_room_is_checked_before_the_first_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of(tmp_path / "images", 4)
    usage = shutil.disk_usage(tmp_path)
    needed = 4 * 3 * SIZE[0] * SIZE[1]
    monkeypatch.setattr(room.shutil, "disk_usage", lambda folder: usage._replace(free=needed - 1))
    with pytest.raises(InputError, match="Make room"):
        PackedImages.build(table, SIZE, tmp_path / "packs", lambda done, total: pytest.fail("began"))
    assert list((tmp_path / "packs").iterdir()) == []
    monkeypatch.setattr(room.shutil, "disk_usage", lambda folder: usage._replace(free=needed))
    assert len(PackedImages.build(table, SIZE, tmp_path / "packs")) == 4


def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    """However slow the disk, only a few tasks are decoded ahead."""
    table = table_of(tmp_path / "images", 4).select(np.zeros(2000, dtype=np.int64))
    decoded = 0
    real = decoding.ReadingProcess.read

    def counting(process: decoding.ReadingProcess, images: list[str], *more: Any) -> np.ndarray:
        nonlocal decoded
        decoded += len(images)
        return real(process, images, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding.ReadingProcess, "read", counting)
        patch.setattr(decoding, "available_cores", lambda: 2)
        patch.setattr(decoding, "SECONDS_PER_PROCESS", 1e-9)
        rows = decoding.decoded_rows(table, SIZE, 0)
        next(rows)
        next(rows)
        time.sleep(0.3)
        ahead = decoded
        rows.close()
    assert 0 < ahead <= (2 * 2 + 2) * decoding.IMAGES_PER_TASK < 2000


@pytest.mark.parametrize("boxes", [False, True])
def test_processes_decode_the_same_rows_in_order_and_are_gone_afterwards(
    boxes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = table_of(tmp_path / "images", 7).select(np.arange(333) % 7)
    if boxes:
        box = np.random.default_rng(0).integers([0, 0, 1, 1], [9, 9, 20, 20], (len(table), 4))
        table = ImageTable(table.path, table.person, table.camera, box=box)
    processes = started(monkeypatch)
    monkeypatch.setattr(decoding, "available_cores", lambda: 3)
    monkeypatch.setattr(decoding, "SECONDS_PER_PROCESS", 1e9)
    expected = np.concatenate(list(decoding.decoded_rows(table, SIZE, 10, "bicubic")))
    assert not processes
    monkeypatch.setattr(decoding, "SECONDS_PER_PROCESS", 1e-9)
    assert np.array_equal(np.concatenate(list(decoding.decoded_rows(table, SIZE, 10, "bicubic"))), expected)
    unfinished = decoding.decoded_rows(table, SIZE, 0)
    next(unfinished)
    next(unfinished)
    unfinished.close()
    assert len(processes) == 6
    assert all(process.poll() is not None for process in processes)


def test_an_image_that_no_process_can_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of(tmp_path / "images", 200)
    Path(table.path[133]).write_bytes(b"no image")
    monkeypatch.setattr(decoding, "available_cores", lambda: 2)
    monkeypatch.setattr(decoding, "SECONDS_PER_PROCESS", 1e-9)
    processes = started(monkeypatch)
    with pytest.raises(InputError, match=r"0133\.jpg cannot be decoded"):
        PackedImages.build(table, SIZE, tmp_path / "packs")
    assert list((tmp_path / "packs").iterdir()) == []
    assert len(processes) == 2
    assert all(process.poll() is not None for process in processes)


@pytest.mark.parametrize("most", [0, 1, 2])
def test_where_processes_cannot_be_started_those_there_are_decode(
    most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = table_of(tmp_path / "images", 130)
    expected = np.concatenate(list(decoding.decoded_rows(table, SIZE, 0)))
    processes = started(monkeypatch)
    start = subprocess.Popen

    def start_few(*arguments: Any, **options: Any) -> Any:
        if len(processes) == most:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return start(*arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", start_few)
    monkeypatch.setattr(decoding, "available_cores", lambda: 4)
    monkeypatch.setattr(decoding, "SECONDS_PER_PROCESS", 1e-9)
    assert np.array_equal(np.concatenate(list(decoding.decoded_rows(table, SIZE, 0))), expected)
    assert len(processes) == most
    assert all(process.poll() is not None for process in processes)


def test_what_is_not_wanted_any_more_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing ends the processes in the middle of what they read, and nobody goes on with it here."""
    table = table_of(tmp_path / "images", 40).select(np.zeros(3000, dtype=np.int64))
    monkeypatch.setattr(decoding, "available_cores", lambda: 2)
    monkeypatch.setattr(decoding, "SECONDS_PER_PROCESS", 1e-9)
    rows = decoding.decoded_rows(table, SIZE, 0)
    next(rows)
    next(rows)
    read_here = list[str]()
    monkeypatch.setattr(reading_process, "read_images", lambda images, *_: read_here.extend(images))
    rows.close()
    assert read_here == []


def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """All processes that are started from now on."""
    found, popen = list[subprocess.Popen[bytes]](), subprocess.Popen

    def start(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        found.append(popen(*arguments, **options))
        return found[-1]

    monkeypatch.setattr(subprocess, "Popen", start)
    return found


def test_an_empty_table_and_an_empty_size_are_refused(tmp_path: Path) -> None:
    table = table_of(tmp_path / "images", 1)
    with pytest.raises(InputError, match="empty"):
        PackedImages.build(table.select([]), SIZE, tmp_path)
    with pytest.raises(InputError, match="at least 1"):
        PackedImages.build(table, (0, 5), tmp_path)


def test_a_pack_moved_to_a_device_gathers_there(tmp_path: Path) -> None:
    table = table_of(tmp_path / "images", 6)
    packed = PackedImages.build(table, SIZE, tmp_path)
    moved = packed.to("cuda" if torch.cuda.is_available() else "cpu")
    rows = np.array([5, 0, 1])
    assert moved[rows].device == moved.pixels.device
    assert torch.equal(moved[rows].cpu(), packed[rows])


def test_a_batch_is_gathered_and_augmented_where_the_images_are() -> None:
    """On PyTorch's `meta` device, where most operations refuse to be mixed with the CPU, as a GPU's all do."""
    packed = PackedImages(torch.zeros(6, 3, *SIZE, dtype=torch.uint8)).to("meta")
    pixels = packed[np.array([5, 0, 1])]
    assert (pixels.device.type, pixels.shape) == ("meta", (3, 3, *SIZE))
    how = Augmentation()
    batch = how.apply(pixels, how.draw(3, SIZE, seed=0, epoch=0, step=0))
    assert (batch.device.type, batch.shape, batch.dtype) == ("meta", pixels.shape, torch.float32)


def test_images_live_on_a_gpu_when_they_take_at_most_half_of_its_free_memory() -> None:
    assert fits_on_device(500, 1000)
    assert fits_on_device(500, 1001)
    assert not fits_on_device(501, 1001)
    assert not fits_on_device(1, 0)
    packed = PackedImages(torch.zeros(2, 3, 4, 4, dtype=torch.uint8))
    assert packed.on_gpu_if_it_fits(torch.device("cpu")) is packed


@pytest.mark.parametrize(("free", "moved"), [(2 * 96, True), (2 * 96 - 1, False)])
def test_the_free_memory_of_the_gpu_decides(free: int, moved: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 10**12))
    monkeypatch.setattr(PackedImages, "to", lambda self, device: "moved")
    packed = PackedImages(torch.zeros(2, 3, 4, 4, dtype=torch.uint8))
    assert (packed.on_gpu_if_it_fits(torch.device("cuda:0")) == "moved") == moved


def test_where_there_are_no_locks_each_process_builds_a_file_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    table, folder = table_of(tmp_path / "images", 70), tmp_path / "packs"
    monkeypatch.setattr("fcntl.flock", unknown)
    both: list[PackedImages] = []

    def meanwhile(done: int, total: int) -> None:
        if not both:
            both.append(PackedImages.build(table, SIZE, folder))

    both.append(PackedImages.build(table, SIZE, folder, meanwhile))
    assert len(both) == 2
    assert torch.equal(both[0].pixels, both[1].pixels)
    assert [file.name for file in folder.iterdir()] == [pack_path(table, SIZE, folder).name]
    for row in (0, 69):
        assert np.array_equal(both[1][np.array([row])][0].numpy(), by_torchvision(table.path[row], SIZE))


def test_builds_that_were_given_up_long_ago_are_removed_and_a_link_is_not_written_through(tmp_path: Path) -> None:
    folder, outside = tmp_path / "packs", tmp_path / "outside"
    folder.mkdir()
    outside.write_text("precious")
    young, old, other = (folder / name for name in (".young.npy.partial", ".old.npy.partial", "other"))
    for file in (young, old, other):
        file.write_text("half")
        if file != young:
            os.utime(file, (0, 0))
    table = table_of(tmp_path / "images", 3)
    _partial(pack_path(table, SIZE, folder)).symlink_to(outside)
    with pytest.raises(InputError, match="cannot be written"):
        PackedImages.build(table, SIZE, folder)
    assert outside.read_text() == "precious"
    path = pack_path(table, SIZE, folder)
    PackedImages.build(table, SIZE, folder)
    assert {file.name for file in folder.iterdir()} == {young.name, "other", path.name}


def test_another_interpolation_is_another_pack_and_bilinear_keeps_its_name(tmp_path: Path) -> None:
    table, packs = table_of(tmp_path / "images", 5), tmp_path / "packs"
    bilinear = PackedImages.build(table, SIZE, packs)
    assert bytes_to_pack([table], SIZE, packs, "bilinear") == 0
    assert bytes_to_pack([table], SIZE, packs, "bicubic") == pack_bytes(table, SIZE)
    bicubic = PackedImages.build(table, SIZE, packs, interpolation="bicubic")
    assert bytes_to_pack([table], SIZE, packs, "bicubic") == 0
    changed = np.array([Path(path).stat().st_mtime_ns for path in table.path], dtype="<i8").tobytes()
    content = table.fingerprint().encode() + changed + bytes([room.DECODING])
    key = hashlib.sha256(content).hexdigest()[:32]  # as packs were named before there was a choice
    assert pack_path(table, SIZE, packs) == packs / f"{key}-{SIZE[0]}x{SIZE[1]}.npy"
    assert pack_path(table, SIZE, packs, "bicubic") != pack_path(table, SIZE, packs)
    for row, path in enumerate(table.path):
        with Image.open(path) as image:
            expected = image.convert("RGB").resize((SIZE[1], SIZE[0]), Image.Resampling.BICUBIC)
        assert np.array_equal(bicubic[np.array([row])][0].numpy(), np.asarray(expected).transpose(2, 0, 1))
        assert np.array_equal(bilinear[np.array([row])][0].numpy(), by_torchvision(path, SIZE))
