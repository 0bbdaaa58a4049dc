"""Boxes and ids in MOTChallenge's format: ground truth, or what a tracker wrote, beside the frames of a video.

A line is `frame, id, x, y, w, h[, confidence[, class, visibility]]`, or ten values, of which the last three are places
in space. A sequence is what one camera took. MOTChallenge counts pixels from 1 (motchallenge.net/instructions), many
trackers count them from 0; the boxes tell, or the user.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from strongreid.data.importing.mot_sequences import SequenceFiles, find_sequences, frames_by_number
from strongreid.data.importing.sightings import Box, Choices, Imported, Sighting, wrong_name
from strongreid.data.listing import FARTHEST, LARGEST
from strongreid.errors import InputError
from strongreid.files import read_text

LARGEST_TEXT: Final = 2**30
"""Bytes of a file of boxes at most: some ten million. It is held in memory."""
_COLUMNS: Final = (6, 7, 8, 9, 10)
_WITH_CLASS: Final = (8, 9)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of a sequence's file."""

    number: int
    frame: int
    person: int
    box: Box
    confidence: float
    kind: int | None


@dataclass
class _Tally:
    """What was read so far of all sequences."""

    sightings: list[Sighting] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    ignored: int = 0
    """Lines of ground truth that are marked as not to be counted."""
    classes: Counter[int] = field(default_factory=Counter)
    """Boxes of other classes."""
    left_alone: Counter[str] = field(default_factory=Counter)


def read_mot(source: Path, choices: Choices) -> Imported:
    """Read a sequence's folder, a folder of such, or the .txt of a tracker with the frames that `choices` names.

    Raises `InputError`, with file and line, for what is no such text, and where it must be asked whom ids mean.
    """
    sequences = find_sequences(source, choices.frames)
    cameras = _cameras([one.name for one in sequences], choices.camera)
    lines = {one.name: _read_lines(one.boxes) for one in sequences}
    if choices.ids is None and len(sequences) > 1:
        _refuse_repeated_ids(sequences, lines, choices.classes)
    if choices.first_pixel not in (None, 0, 1):
        raise InputError(f"`first_pixel` is {choices.first_pixel}; it must be 0 or 1.")
    first_pixel = choices.first_pixel
    if first_pixel is None:
        first_pixel = 0 if min(min(line.box[:2]) for some in lines.values() for line in some) == 0 else 1
    tally, empty = _Tally(), list[str]()
    for one in sequences:
        apart = f"{one.name}/" if choices.ids == "per_sequence" else ""
        before = len(tally.sightings) + len(tally.problems)
        _add(tally, one, lines[one.name], cameras[one.name], apart, first_pixel, choices.classes)
        if len(tally.sightings) + len(tally.problems) == before:
            empty.append(f"None of the {len(lines[one.name]):,} boxes of {one.name} is of a person that counts.")
    _refuse_other_classes(tally, source, choices.classes)
    names = ", ".join(one.name for one in sequences)
    notes = [
        f"Boxes count pixels from {first_pixel}"
        f"{'' if choices.first_pixel is not None else '; if your tracker does not, say so by `first_pixel`'}."
    ]
    notes += empty
    if tally.ignored:
        notes.append(f"{tally.ignored:,} boxes are left out: the ground truth marks them as not to be counted.")
    if tally.classes:
        listed = ", ".join(f"{count:,} of class {kind}" for kind, count in sorted(tally.classes.items()))
        notes.append(f"Boxes of other classes are left out: {listed}.")
    count = f"{len(sequences)} sequences" if len(sequences) > 1 else "a sequence"
    return Imported(f"MOT, {count} ({names})", tally.sightings, tally.problems, notes, tally.left_alone)


def _add(
    tally: _Tally,
    sequence: SequenceFiles,
    lines: Sequence[_Line],
    camera: str,
    apart: str,
    first_pixel: int,
    classes: Sequence[int],
) -> None:
    """Add what a sequence shows; `apart` is what its ids are named with."""
    frames, alone = frames_by_number(sequence.frames)
    tally.left_alone += alone
    truth = _is_ground_truth(sequence.boxes, lines)
    seen: dict[tuple[int, int], int] = {}
    for line in lines:
        where = f"{sequence.boxes}, line {line.number}"
        if line.kind is not None and line.kind not in classes:
            tally.classes[line.kind] += 1
        elif truth and line.confidence == 0:
            tally.ignored += 1
        elif line.person < 0:
            tally.problems.append(f"{where}: the id is {line.person}, so it is a detection that belongs to no track")
        elif (first := seen.setdefault((line.frame, line.person), line.number)) != line.number:
            tally.problems.append(f"{where}: the id {line.person} is in frame {line.frame} already, in line {first}")
        elif line.frame not in frames:
            there = f"those there are numbered {min(frames)} to {max(frames)}"
            tally.problems.append(f"{where}: there is no frame {line.frame} in {sequence.frames}; {there}")
        else:
            x, y, width, height = line.box
            sure = None if truth or line.confidence < 0 else line.confidence
            box = (x - first_pixel, y - first_pixel, width, height)
            track = f"{sequence.name}/{line.person}"
            tally.sightings.append(
                Sighting(frames[line.frame], f"{apart}{line.person}", camera, where, line.frame, box, track, sure)
            )


def _read_lines(path: Path) -> list[_Line]:
    """The lines of a file of boxes, of which there must be one."""
    text = read_text(path, limit=LARGEST_TEXT, remedy="It must be a text of boxes in MOT's format.")
    lines, columns = list[_Line](), 0
    for number, written in enumerate(text.split("\n"), start=1):
        if not written.strip():
            continue
        words = [word.strip() for word in written.split(",")] if "," in written else written.split()
        where = f"{path}, line {number}"
        columns = columns or len(words)
        if len(words) not in _COLUMNS or len(words) != columns:
            first = "" if len(words) == columns else f", where the lines before have {columns}"
            raise InputError(
                f"{where}: it has {len(words)} values{first}; a line of MOT is frame, id, x, y, w, h, confidence and "
                "perhaps class, visibility or three more."
            )
        lines.append(_line(words, number, where))
    if not lines:
        raise InputError(f"{path} holds no boxes. Take its sequence out, or write what the tracker found.")
    return lines


def _line(words: Sequence[str], number: int, where: str) -> _Line:
    def numeric(index: int, name: str, end: float) -> float:
        try:
            value = math.nan if "_" in words[index] else float(words[index])
        except ValueError:
            value = math.nan
        if not abs(value) < end:  # nor is NaN
            raise InputError(
                f"{where}: the {name} is {words[index][:40]!r}; it must be a number of less than {end:.0f}."
            )
        return value

    def whole(index: int, name: str, least: int) -> int:
        value = numeric(index, name, LARGEST)
        if value != int(value) or value < least:
            raise InputError(
                f"{where}: the {name} is {words[index][:40]!r}; it must be a whole number from {least} on."
            )
        return int(value)

    frame, person = whole(0, "frame", 0), whole(1, "id", -1)
    x, y, width, height = (numeric(index, "box", FARTHEST) for index in range(2, 6))
    confidence = numeric(6, "confidence", FARTHEST) if len(words) > 6 else -1.0
    kind = whole(7, "class", -1) if len(words) in _WITH_CLASS else None
    return _Line(number, frame, person, (x, y, width, height), confidence, None if kind == -1 else kind)


def _is_ground_truth(path: Path, lines: Sequence[_Line]) -> bool:
    """Whether the seventh value says which boxes count, as in ground truth, rather than how sure a detector was."""
    return path.parent.name == "gt" or all(line.kind is not None and line.confidence in (0, 1) for line in lines)


def _refuse_repeated_ids(
    sequences: Sequence[SequenceFiles], lines: Mapping[str, Sequence[_Line]], classes: Sequence[int]
) -> None:
    """Raise `InputError` for a person's id that stands in two sequences."""
    first: dict[int, tuple[Path, int]] = {}
    for one in sequences:
        own, truth = dict[int, int](), _is_ground_truth(one.boxes, lines[one.name])
        for line in lines[one.name]:
            if (line.kind is None or line.kind in classes) and not (truth and line.confidence == 0):
                own.setdefault(line.person, line.number)
        for person, number in own.items():
            file, before = first.setdefault(person, (one.boxes, number))
            if person >= 0 and file != one.boxes:
                raise InputError(
                    f"{one.boxes}, line {number}: the id {person} is in {file}, line {before}, too. Is it one person? "
                    "Say so by `ids`: shared, if an id is one person in all sequences; per_sequence, if each sequence "
                    "has ids of its own, as trackers give them."
                )


def _refuse_other_classes(tally: _Tally, source: Path, classes: Sequence[int]) -> None:
    """Raise `InputError` where classes left nothing."""
    if tally.classes and not tally.sightings and not tally.problems:
        there = ", ".join(map(str, sorted(tally.classes)))
        raise InputError(
            f"{source} holds no boxes of class {', '.join(map(str, classes))}, only of {there}. Say by `classes` which "
            "are people."
        )


def _cameras(sequences: Sequence[str], told: str) -> dict[str, str]:
    """The camera of each sequence."""
    cameras = {name: name for name in sequences}
    if "=" not in told:
        cameras = {name: told or name for name in sequences}
    else:
        for pair in told.split(","):
            sequence, _, camera = (word.strip() for word in pair.partition("="))
            if sequence not in cameras:
                raise InputError(
                    f"`camera` is {told!r}, but there is no sequence {sequence!r}; there are {', '.join(sequences)}. "
                    "Write one name for all, or seq1=lobby,seq2=lobby."
                )
            cameras[sequence] = camera
    for what, names in (("sequence", sequences), ("camera", cameras.values())):
        for name in names:
            if wrong := wrong_name(name):
                raise InputError(f"The name of the {what} {name!r} {wrong}. Give it another.")
    return cameras
