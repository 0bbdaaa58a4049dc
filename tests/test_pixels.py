import io
import os
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import EpsImagePlugin, Image

from strongreid.errors import InputError
from strongreid.pixels import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    MOST_PIXELS,
    decoded_formats,
    image_suffixes,
    normalise,
    read_image,
)
from strongreid.pixels.normalising import CACHED_IMAGES

EVERY_VALUE = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(2 * CACHED_IMAGES + 1, 3, 16, 16)


def by_the_reference(images: torch.Tensor) -> torch.Tensor:
    """Dividing, subtracting and dividing, in float32, as the paper's code does."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (images.float() / 255 - mean) / std


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_every_value_is_normalised_as_by_the_reference(layout: torch.memory_format) -> None:
    images = EVERY_VALUE.contiguous(memory_format=layout)
    result = normalise(images)
    assert result.dtype == torch.float32
    assert result.is_contiguous(memory_format=layout)
    torch.testing.assert_close(result, by_the_reference(images), rtol=0, atol=1e-6)
    exact = images.double() / 255 - torch.tensor(IMAGENET_MEAN, dtype=torch.float64).view(3, 1, 1)
    exact /= torch.tensor(IMAGENET_STD, dtype=torch.float64).view(3, 1, 1)
    torch.testing.assert_close(result.double(), exact, rtol=0, atol=5e-7)


def test_mixed_precision_does_not_touch_it() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = normalise(EVERY_VALUE)
    assert torch.equal(result, normalise(EVERY_VALUE))


@pytest.mark.parametrize("count", [0, 1, CACHED_IMAGES, CACHED_IMAGES + 1])
def test_any_number_of_images_is_normalised_into_memory_that_is_there(count: int) -> None:
    out = torch.full((count, 3, 16, 16), torch.nan)
    assert normalise(EVERY_VALUE[:count], out) is out
    torch.testing.assert_close(out, by_the_reference(EVERY_VALUE[:count]), rtol=0, atol=1e-6)


# Each way of saving a picture: Pillow's format and its options. The first ones keep every pixel.
LOSSLESS = {
    "png": ("PNG", {}),
    "webp": ("WEBP", {"lossless": True, "exact": True}),
    "tiff": ("TIFF", {}),
    "lzw.tiff": ("TIFF", {"compression": "tiff_lzw"}),
    "bmp": ("BMP", {}),
}
LOSSY = {"jpg": ("JPEG", {}), "mpo": ("MPO", {"save_all": True}), "avif": ("AVIF", {})}
SAVED = {name: how for name, how in (LOSSLESS | LOSSY).items() if how[0] in (*decoded_formats(), "MPO")}


def picture(height: int = 48, width: int = 20, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8)
    return Image.fromarray(pixels.repeat(4, 0).repeat(4, 1))


def saved(image: Image.Image, path: Path, kind: str, **options: object) -> Path:
    encoding, always = SAVED[kind]
    image.save(path, encoding, **always, **options)
    return path


def plain(path: Path) -> np.ndarray:
    """Pillow's own conversion, uint8 [3, H, W]."""
    with warnings.catch_warnings(), Image.open(path) as image:
        warnings.simplefilter("ignore")
        return np.asarray(image.convert("RGB")).transpose(2, 0, 1)


@pytest.mark.parametrize("kind", SAVED)
def test_eight_bit_colour_is_read_byte_for_byte_as_pillow_decodes_it(kind: str, tmp_path: Path) -> None:
    path = saved(picture(), tmp_path / "person.jpg", kind)  # the content tells the format, not the name
    found = read_image(path)
    assert found.dtype == np.uint8
    assert found.flags.c_contiguous
    assert np.array_equal(found, plain(path))
    if kind in LOSSLESS:
        assert np.array_equal(found, np.asarray(picture()).transpose(2, 0, 1))
    with Image.open(path) as image:
        small = np.asarray(image.convert("RGB").resize((7, 31), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert np.array_equal(read_image(path, (31, 7)), small)


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """By EXIF's own words: which side of the stored picture its first row and its first column are."""
    first_row, first_column = {
        1: ("top", "left"),
        2: ("top", "right"),
        3: ("bottom", "right"),
        4: ("bottom", "left"),
        5: ("left", "top"),
        6: ("right", "top"),
        7: ("right", "bottom"),
        8: ("left", "bottom"),
    }[orientation]
    if first_row in ("left", "right"):
        height, width = pixels.shape[1], pixels.shape[0]
    else:
        height, width = pixels.shape[:2]
    upright = np.empty((height, width, 3), dtype=np.uint8)
    for row in range(pixels.shape[0]):
        for column in range(pixels.shape[1]):
            vertical, horizontal = (row, column) if first_row in ("top", "bottom") else (column, row)
            if "bottom" in (first_row, first_column):
                vertical = height - 1 - vertical
            if "right" in (first_row, first_column):
                horizontal = width - 1 - horizontal
            upright[vertical, horizontal] = pixels[row, column]
    return upright


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", [kind for kind in SAVED if kind != "bmp"])  # which has no EXIF
def test_a_photograph_is_turned_upright(kind: str, orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    path = saved(picture(), tmp_path / "phone", kind, exif=exif)
    straight = saved(picture(), tmp_path / "straight", kind)
    wanted = turned(plain(straight).transpose(1, 2, 0), orientation).transpose(2, 0, 1)
    assert np.array_equal(read_image(path), wanted)
    with Image.open(path) as still_the_file:
        assert np.array_equal(read_image(still_the_file), wanted)
    with Image.open(path) as image:
        copy = image.convert("RGB")  # whoever changed it has seen it
        assert np.array_equal(read_image(copy), np.asarray(copy).transpose(2, 0, 1))


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        (mode, kind)
        for mode in ("L", "I;16", "CMYK")
        for kind in ("png", "tiff", "lzw.tiff")
        if (mode, kind) != ("CMYK", "png")
    ],
)
def test_other_modes_are_turned_upright_too(mode: str, kind: str, orientation: int, tmp_path: Path) -> None:
    values = np.arange(48 * 20, dtype=np.uint16).reshape(48, 20) * 68
    image = Image.fromarray(values) if mode == "I;16" else Image.fromarray((values >> 8).astype(np.uint8)).convert(mode)
    exif = Image.Exif()
    exif[274] = orientation
    path = saved(image, tmp_path / "person", kind, exif=exif)
    grey = (values >> 8).astype(np.uint8)
    assert np.array_equal(read_image(path), turned(np.stack([grey] * 3, 2), orientation).transpose(2, 0, 1))


def test_damaged_exif_is_no_reason_to_refuse_sound_pixels(tmp_path: Path) -> None:
    for content in (
        b"",
        b"Exif\0\0",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0MM\0*\0\0\0\x08\0\x09junk",
        b"\0" * 40,
    ):
        for kind in ("jpg", "png", "webp"):
            path = saved(picture(), tmp_path / kind, kind, exif=content)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow's, of the damage
                assert np.array_equal(read_image(path), plain(path))


def tiff(values: np.ndarray, *, bits: int = 16, white_is_zero: bool = False) -> bytes:
    """An uncompressed little-endian TIFF of grey values [H, W], `bits` for each, 12 packed as the format asks."""
    height, width = values.shape
    if bits == 12:
        text = "".join(f"{value:012b}" for value in values.reshape(-1).tolist())
        data = bytes(int(text[start : start + 8], 2) for start in range(0, len(text), 8))
    else:
        data = values.astype("<u2").tobytes()
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, int(not white_is_zero)), (273, 8), (277, 1)]
    tags += [(278, height), (279, len(data))]
    entries = b"".join(struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in tags)
    header = b"II*\0" + struct.pack("<I", 8 + len(data))
    return header + data + struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)


def test_grey_of_more_than_eight_bits_is_scaled_by_its_depth(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 2**16, (16, 8), dtype=np.uint16)
    wanted = np.array([[int(value) // 256 for value in row] for row in values], dtype=np.uint8)
    cases = {}
    for kind in ("png", "tiff", "lzw.tiff"):
        cases[kind] = saved(Image.fromarray(values), tmp_path / kind, kind).read_bytes()
    stream = io.BytesIO()
    Image.frombytes("I;16B", (8, 16), values.astype(">u2").tobytes()).save(stream, "TIFF")
    cases["big-endian"] = stream.getvalue()
    cases["white is 0"] = tiff(2**16 - 1 - values, white_is_zero=True)
    cases["12 bits"] = tiff(values >> 4, bits=12)
    for name, content in cases.items():
        (tmp_path / "person.png").write_bytes(content)
        assert np.array_equal(read_image(tmp_path / "person.png"), np.stack([wanted] * 3)), name
    assert np.array_equal(read_image(Image.fromarray(values)), np.stack([wanted] * 3))


@pytest.mark.parametrize("mode", ["F", "I", "I;16"])
def test_values_that_would_become_white_or_black_are_refused_with_path_and_mode(mode: str, tmp_path: Path) -> None:
    values = np.arange(16 * 8).reshape(16, 8) * 30  # up to 3,810: black on the scale of 16 bits, white on that of 8
    image = Image.fromarray(values.astype({"F": np.float32, "I": np.int32, "I;16": np.uint16}[mode]))
    assert image.mode == mode
    image.save(tmp_path / "thermal.tiff")
    with pytest.raises(InputError, match=rf"thermal\.tiff.*mode is {mode}"):
        read_image(tmp_path / "thermal.tiff")
    with pytest.raises(InputError, match=f"PIL image.*mode is {mode}"):
        read_image(image)


def test_sixteen_bits_of_black_are_black(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4), dtype=np.uint16)).save(tmp_path / "black.png")
    assert not read_image(tmp_path / "black.png").any()


def with_palette(transparency: int | bytes) -> Image.Image:
    image = picture().quantize(32)
    image.info["transparency"] = transparency
    return image


@pytest.mark.parametrize(
    ("kind", "image"),
    [
        ("png", picture().quantize(32)),
        ("png", with_palette(3)),
        ("png", with_palette(bytes(range(32)))),
        ("png", picture().convert("L")),
        ("png", picture().convert("1")),
        ("png", picture().convert("LA")),
        ("png", Image.merge("RGBA", (*picture().split(), picture(seed=1).convert("L")))),
        ("webp", Image.merge("RGBA", (*picture().split(), picture(seed=1).convert("L")))),
        ("jpg", picture().convert("L")),
        ("jpg", picture().convert("CMYK")),
        ("tiff", picture().convert("CMYK")),
        ("tiff", picture().convert("LA")),
        ("tiff", picture().convert("1")),
        ("lzw.tiff", picture().quantize(32)),
        ("bmp", picture().convert("1")),
        ("bmp", picture().quantize(32)),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else value,
)
def test_other_modes_become_what_pillow_makes_of_them(kind: str, image: Image.Image, tmp_path: Path) -> None:
    path = saved(image, tmp_path / "person", kind)
    found = read_image(path)  # a warning would be an error here
    assert np.array_equal(found, plain(path))
    assert len(np.unique(found)) > 1


@pytest.mark.parametrize("encoding", ["GIF", "WEBP", "PNG", "TIFF", "MPO", "AVIF"])
def test_of_several_frames_or_pages_the_first_is_taken(encoding: str, tmp_path: Path) -> None:
    if encoding not in (*decoded_formats(), "MPO"):
        pytest.skip(f"this Pillow has no {encoding}")
    first, others = picture(), [picture(seed=seed) for seed in (1, 2)]
    options = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100}}.get(encoding, {})
    first.save(tmp_path / "moving", encoding, save_all=True, append_images=others, **options)
    with Image.open(tmp_path / "moving") as image:
        assert image.n_frames == 3
    found = read_image(tmp_path / "moving").astype(int)
    errors = [np.abs(found - np.asarray(frame).transpose(2, 0, 1)).mean() for frame in (first, *others)]
    assert np.argmin(errors) == 0
    if encoding in ("PNG", "TIFF", "WEBP"):
        assert errors[0] == 0


def outcome(path: Path) -> np.ndarray | None:
    """The pixels of a file, or None for one that is refused with its path."""
    try:
        return read_image(path)
    except InputError as error:
        return None if str(path) in str(error) else pytest.fail(f"without its path: {error}")


@pytest.mark.parametrize("kind", [*SAVED, "gif"])
def test_a_file_that_is_cut_short_is_refused_or_read_whole(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "person"
    picture().save(path, "GIF") if kind == "gif" else saved(picture(), path, kind)
    whole, content = read_image(path), path.read_bytes()
    refusals = 0
    for length in sorted({0, 1, 7, 20, *range(0, len(content), max(1, len(content) // 60)), len(content) - 1}):
        path.write_bytes(content[:length])
        found = outcome(path)
        refusals += found is None
        assert found is None or np.array_equal(found, whole), length
    assert refusals > 50


def test_damaged_bytes_are_an_input_error_or_an_image_and_nothing_else(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[274] = 6
    path = tmp_path / "person"
    for kind in SAVED:
        content = saved(picture(), path, kind, **({} if kind == "bmp" else {"exif": exif})).read_bytes()
        for _ in range(60):
            damaged = bytearray(content)
            for position in rng.integers(0, min(len(content), 300), 3).tolist():
                damaged[position] = int(rng.integers(256))
            path.write_bytes(damaged)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow's, of odd tags
                found = outcome(path)
            assert found is None or found.dtype == np.uint8


def test_no_other_decoder_is_started_whatever_the_file_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_, **__: pytest.fail("Ghostscript was started"))
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", "gs")
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 40\n%%EndComments\n0 0 moveto showpage\n%%EOF\n"
    files = {"EPS": postscript}
    for encoding in ("PPM", "TGA", "PCX", "SGI", "ICO", "JPEG2000", "DDS", "MSP", "SPIDER", "XBM"):
        stream = io.BytesIO()
        picture().convert({"MSP": "1", "XBM": "1", "SPIDER": "F"}.get(encoding, "RGB")).save(stream, encoding)
        files[encoding] = stream.getvalue()
    for suffix in ("jpg", "eps"):
        for encoding, content in files.items():
            path = tmp_path / f"person.{suffix}"
            path.write_bytes(content)
            with pytest.raises(InputError, match=rf"person\.{suffix}.*none of JPEG, PNG"):
                read_image(path)
                pytest.fail(encoding)


def white_png(height: int, width: int) -> bytes:
    """A PNG that is small as a file and large in memory: rows of 0, one bit a pixel."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    packer = zlib.compressobj(1)
    row = bytes(1 + (width + 7) // 8)
    rows = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("height", [9_500, 20_000])  # Pillow warns of the first and refuses the second
def test_an_image_of_too_many_pixels_is_refused_before_it_fills_the_memory(
    height: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert height * 9_500 > MOST_PIXELS
    path = tmp_path / "bomb.png"
    path.write_bytes(white_png(height, 9_500))
    monkeypatch.setattr(Image.Image, "convert", lambda *_: pytest.fail("it was decoded"))
    for treated in ("error", "ignore"):
        with warnings.catch_warnings():
            warnings.simplefilter(treated, Image.DecompressionBombWarning)
            with pytest.raises(InputError, match=r"bomb\.png.*pixels.*scale it down"):
                read_image(path)


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def link_to_itself(path: Path) -> Path:
    path.symlink_to(path)
    return path


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (folder, "a folder or a device"),
        (pipe, "a folder or a device"),
        (link_to_itself, "cannot be read"),
        (lambda path: path.with_name("x" * 300), "cannot be read"),
        (lambda path: path.with_name("a\0b.jpg"), "cannot be decoded"),
        (lambda path: path, "There is no image file"),
    ],
)
def test_what_is_no_file_is_an_input_error(made: Callable[[Path], Path], said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        read_image(made(tmp_path / "person.jpg"))


def test_an_array_is_taken_as_red_green_blue_and_others_are_refused() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 6, 3), dtype=np.uint8)
    assert np.array_equal(read_image(pixels), pixels.transpose(2, 0, 1))
    assert np.array_equal(read_image(pixels[:, ::-1]), pixels[:, ::-1].transpose(2, 0, 1))
    for wrong in (pixels.astype(float), pixels[0], pixels[..., :1], pixels[:0], pixels[None]):
        with pytest.raises(InputError, match=r"uint8 \[H, W, 3\]"):
            read_image(wrong)
    for nothing in (None, 3, torch.zeros(3, 4, 4)):
        with pytest.raises(InputError, match="a path, a PIL image or"):
            read_image(nothing)
    with pytest.raises(InputError, match="PIL image"):
        read_image(Image.new("RGB", (0, 4)))


def test_the_endings_of_images_are_those_that_are_read(tmp_path: Path) -> None:
    registered = Image.registered_extensions()
    for suffix in image_suffixes():
        assert registered[suffix] in (*decoded_formats(), "MPO")
    assert {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif"} <= set(image_suffixes())
    assert (".avif" in image_suffixes()) == ("AVIF" in Image.SAVE)
