import base64
import io

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from strongreid.reports.images import figure_uri, pixels_uri


def content(uri: str, kind: str) -> bytes:
    head, body = uri.split(",")
    assert head == f"data:{kind};base64"
    return base64.b64decode(body)


def cloud(count: int) -> Figure:
    figure = Figure()
    figure.add_subplot().scatter(*np.random.default_rng(0).normal(size=(2, count)))
    return figure


def test_a_figure_is_svg_without_any_address_to_load_and_the_same_each_time() -> None:
    svg = content(figure_uri(cloud(10)), "image/svg+xml")
    assert svg == content(figure_uri(cloud(10)), "image/svg+xml")
    assert b"<svg" in svg
    assert b"<image" not in svg
    assert b"font-family" not in svg, "letters must be drawn, because the reader may lack the font"


def test_a_figure_of_many_points_is_png() -> None:
    png = content(figure_uri(cloud(5000)), "image/png")
    with Image.open(io.BytesIO(png)) as image:
        assert image.getpixel((0, 0))[:3] == (255, 255, 255)


def test_a_photograph_keeps_its_colours_and_its_shape() -> None:
    pixels = np.zeros((3, 128, 64), dtype=np.uint8)
    pixels[0, :64], pixels[2, 64:] = 200, 100
    with Image.open(io.BytesIO(content(pixels_uri(pixels), "image/jpeg"))) as image:
        assert image.size == (64, 128)
        assert np.abs(np.array(image.getpixel((30, 20))) - (200, 0, 0)).max() < 12
        assert np.abs(np.array(image.getpixel((30, 110))) - (0, 0, 100)).max() < 12


def test_a_large_photograph_is_made_smaller() -> None:
    with Image.open(io.BytesIO(content(pixels_uri(np.zeros((3, 512, 128), dtype=np.uint8)), "image/jpeg"))) as image:
        assert image.size == (64, 256)
