"""What requests and answers hold, as the API's description says it."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial, reduce
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from strongreid.gallery.labels import LONGEST_NAME, label, numbers_of
from strongreid.gallery.times import microseconds
from strongreid.gallery.where import UNKNOWN, Column, Compare, Joined, Where
from strongreid.models import Calibrated
from strongreid.service.uploads import Box


def _label(given: Any) -> Any:
    """What a text says: a number, or the name that it is. Anything else is left to the rules for whole numbers."""
    said = label("filter", given) if isinstance(given, str) else given
    if said == UNKNOWN:
        raise ValueError("-1 stands for unknown: ask for a number from 0 on, or a name")
    return said


Label = Annotated[
    Annotated[int, Field(ge=0, lt=2**63)] | Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)],
    BeforeValidator(_label),
]
Labels = Annotated[list[Label], Field(max_length=1000)]
Side = Annotated[int, Field(ge=-(2**30), le=2**30)]
Length = Annotated[int, Field(ge=1, le=2**30)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Key = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]


class Choice(BaseModel):
    """What a search asks for: in the address, or as parts of the form."""

    model_config = ConfigDict(extra="forbid")  # a filter whose name is misspelt must not be none

    k: Annotated[int, Field(ge=1, le=100, description="How many hits.")] = 10
    camera: Annotated[Labels, Field(description="Only these cameras, numbers or names.")] = []
    not_camera: Annotated[Labels, Field(description="Not these cameras.")] = []
    person: Annotated[Labels, Field(description="Only these people, numbers or names.")] = []
    track: Annotated[Labels, Field(description="Only these tracks, numbers or names.")] = []
    after: Annotated[datetime | None, Field(description="From this time on; UTC unless it says a zone.")] = None
    before: Annotated[datetime | None, Field(description="Before this time; UTC unless it says a zone.")] = None
    by: Annotated[
        Literal["image", "track"], Field(description="Each picture for itself, or of each track only its nearest one.")
    ] = "image"
    x: Annotated[Side | None, Field(description="Left side of a box in the picture, in pixels.")] = None
    y: Annotated[Side | None, Field(description="Its upper side.")] = None
    w: Annotated[Length | None, Field(description="Its width.")] = None
    h: Annotated[Length | None, Field(description="Its height.")] = None

    @model_validator(mode="after")
    def _whole_box(self) -> Self:
        if len({value is None for value in (self.x, self.y, self.w, self.h)}) > 1:
            raise ValueError("a box is x, y, w and h: give all four, or none")
        return self

    @property
    def box(self) -> Box | None:
        """The box, x, y, width, height; None for the whole picture."""
        if self.x is None or self.y is None or self.w is None or self.h is None:
            return None
        return self.x, self.y, self.w, self.h

    @property
    def where(self) -> Where | None:
        """The filters as one condition; None where there is none."""
        columns: tuple[Column, ...] = ("camera", "person", "track")
        parts: list[Where] = [
            Compare(column, "in", _numbers(getattr(self, column))) for column in columns if getattr(self, column)
        ]
        if self.not_camera:
            parts.append(Compare("camera", "not in", _numbers(self.not_camera)))
        if self.after is not None:
            parts.append(Compare("time", ">=", (microseconds(self.after),)))
        if self.before is not None:
            parts.append(Compare("time", "<", (microseconds(self.before),)))
        return reduce(partial(Joined, "and"), parts) if parts else None


def _numbers(given: Sequence[int | str]) -> tuple[int, ...]:
    """The numbers under which a gallery may have these."""
    return tuple(sorted({number for one in given for number in numbers_of(one)}))


class HitAnswer(BaseModel):
    """One picture of the gallery that was found."""

    rank: int
    key: str
    distance: float
    person: int | None
    camera: int | None
    time: str | None
    track: int | None
    person_name: Annotated[str | None, Field(description="Where the person has one; the number stands for it.")]
    camera_name: str | None
    track_name: str | None
    name: Annotated[str, Field(description="The last part of its path.")]
    thumbnail: Annotated[str, Field(description="Where its picture is, relative to this service.")]
    verdict: Annotated[str, Field(description="same person, no match, or not sure where the model is not calibrated.")]
    confirmed_by: list[str]


class Calibration(BaseModel):
    """What the model was measured to do."""

    threshold: Annotated[float, Field(description="Same person where the distance is below.")]
    false_match_rate: Annotated[float, Field(description="At most this share of pairs of different people is below.")]
    true_match_rate: Annotated[float, Field(description="This share of pairs of the same person is below.")]
    measured_on: str
    words: Annotated[str, Field(description="All of that in sentences: on whom it was measured, how far to trust it.")]
    rates: Annotated[
        list[tuple[float, float, float]],
        Field(description="Other thresholds with their false-match and true-match rates, ascending."),
    ]


def calibration(known: Calibrated | None, metric: str) -> Calibration | None:
    """Return what a model was measured to do, as it is answered; `metric`: by which its features are compared."""
    return None if known is None else Calibration(**vars(known), words=known.words(metric))


class SearchAnswer(BaseModel):
    """What a search has found."""

    search: Annotated[str, Field(description="Names this search when one of its hits is confirmed.")]
    searched: Annotated[int, Field(description="Pictures in the gallery.")]
    calibrated: Calibration | None
    hits: list[HitAnswer]


class AboutAnswer(BaseModel):
    """What is searched, and by whom."""

    who: str
    gallery: str
    count: int
    cameras: list[int]
    camera_names: Annotated[list[str], Field(description="What they are called, by name or number; filters take it.")]
    calibrated: Calibration | None
    confirmations: Annotated[int, Field(description="How many people must confirm a match before it counts.")]
    megabytes: int
    megapixels: int


class Confirm(BaseModel):
    """A person says that a hit shows the person of the query."""

    model_config = ConfigDict(extra="forbid")

    search: Digest
    key: Key


class ConfirmAnswer(BaseModel):
    """Who has confirmed a match, and whether it counts."""

    confirmed_by: list[str]
    counts: bool


class WaitingMatch(BaseModel):
    """A match that needs another person."""

    search: str
    key: str
    rank: int
    distance: float
    camera: int | None
    camera_name: str | None
    time: str | None
    query: Annotated[str, Field(description="Where the query's picture is.")]
    thumbnail: str
    confirmed_by: list[str]


class WaitingAnswer(BaseModel):
    """Matches that wait for another person, newest first."""

    matches: list[WaitingMatch]
