"""What data and models both need of pixels: reading a picture, bringing it to a size, normalising."""

from strongreid.pixels.batches import resize_batch
from strongreid.pixels.normalising import (
    IMAGENET,
    IMAGENET_MEAN,
    IMAGENET_STD,
    Colour,
    Normalisation,
    normalise,
    scale_and_shift,
)
from strongreid.pixels.reading import (
    FORMATS,
    MOST_PIXELS,
    FetchedFile,
    ImageSource,
    decoded_formats,
    image_suffixes,
    read_image,
    read_images,
)
from strongreid.pixels.resizing import Interpolation, resize

__all__ = [
    "FORMATS",
    "IMAGENET",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "MOST_PIXELS",
    "Colour",
    "FetchedFile",
    "ImageSource",
    "Interpolation",
    "Normalisation",
    "decoded_formats",
    "image_suffixes",
    "normalise",
    "read_image",
    "read_images",
    "resize",
    "resize_batch",
    "scale_and_shift",
]
