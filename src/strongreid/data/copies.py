"""Images that a set holds twice: they make a test too good, or teach that one person is another."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from strongreid.data.listing import Finding
from strongreid.data.reading import Reading
from strongreid.data.table import ImageTable


def copies(reading: Reading, digest: Mapping[str, bytes]) -> list[Finding]:
    """Images whose pixels are equal: serious across training and test, and where they show two people.

    `digest` is a hash of the pixels of each file that could be decoded, by its path.
    """
    findings = []
    for group in _groups(reading, digest):
        first_part, first, first_person = group[0]
        for part, path, person in group[1:]:
            known = frozenset((Path(path).name.lower(), Path(first).name.lower())) in reading.known_copies
            where = ["in training and test"] if (part == "train") != (first_part == "train") else []
            whom = [f"another person, {first_person}"] if person != first_person else []
            if where or whom:
                advice = "the set ships it so" if known else "take one of them out"
                problem = f"the same image is {', and '.join(where + whom)}, as {first}; {advice}"
                findings.append(Finding(path, problem, serious=not known))
            elif part == first_part:
                findings.append(Finding(path, f"the same image is there twice, as {first}", serious=False))
            elif reading.same_camera == "include":  # else the rule on cameras leaves it out, as it does in VeRi-776
                problem = f"the same image is a query, {first}, which finds it without effort"
                findings.append(Finding(path, problem, serious=False))
    return findings


def _groups(reading: Reading, digest: Mapping[str, bytes]) -> Iterator[list[tuple[str, str, int]]]:
    """Groups of (part, path, person) with equal pixels, training first. Boxes of one frame are no copies."""
    same: dict[bytes, list[tuple[str, str, int]]] = defaultdict(list)
    for name in ("train", "query", "gallery"):
        table: ImageTable = reading.parts[name].table
        for row, (path, person) in enumerate(zip(table.path, table.person.tolist(), strict=True)):
            box = b"" if table.box is None else table.box[row].tobytes()
            if path in digest:
                same[digest[path] + box].append((name, path, person))
    yield from (group for group in same.values() if len(group) > 1)
