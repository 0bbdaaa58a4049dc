"""Several sets as one training set: people and cameras of different sets are kept apart by their domain.

Train on the joined table and test on each set by itself, or train on one set and test on others.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from strongreid.data.sampler import PKBatchSampler
from strongreid.data.table import Domain, ImageTable, ReIDData, stacked
from strongreid.errors import InputError

WHOLE_IMAGE = (0, 0, 2**31 - 1, 2**31 - 1)
"""A box that leaves nothing off: for sets without boxes that are joined with sets that have them."""


def join_tables(tables: Sequence[ImageTable]) -> ImageTable:
    """One table of all images; its column `domain` says which of `tables` a row came from, 0, 1, ...

    People, cameras and tracks are numbered anew, in the order of the tables and within each in rising order, so that no
    number means two people. Tables that were joined before keep their domains apart. Frames, tracks and confidence are
    kept where every table has them. Raises `InputError` for no tables.
    """
    if not tables:
        raise InputError("There are no tables to join.")
    if len(tables) == 1:
        return tables[0]
    boxed = any(table.box is not None for table in tables)
    tracks = [table.track for table in tables if table.track is not None]
    return replace(
        stacked(tables),
        person=_apart([table.person for table in tables]),
        camera=_apart([table.camera for table in tables]),
        box=np.concatenate([_boxes(table) for table in tables]) if boxed else None,
        domain=_apart([np.zeros(len(t), dtype=np.int64) if t.domain is None else t.domain for t in tables]),
        track=_apart(tracks) if len(tracks) == len(tables) else None,
    )


def join_sets(sets: Mapping[str, ReIDData]) -> ReIDData:
    """The first of `sets`, by name, with the training images of all of them; its query and gallery stay its own.

    Raises `InputError` where two sets share an image: its person would be told apart from itself.
    """
    first = next(iter(sets.values()))
    if len(sets) == 1:
        return first
    owner: dict[tuple[str, bytes], str] = {}
    for name, data in sets.items():
        for image in _images(data.train):
            if owner.setdefault(image, name) != name:
                raise InputError(f"{image[0]} is in both `{owner[image]}` and `{name}`: join each set once.")
    return replace(
        first,
        train=join_tables([data.train for data in sets.values()]),
        warnings=tuple(f"{name}: {warning}" for name, data in sets.items() for warning in data.warnings),
        domains=tuple(Domain(name, tuple(data.train.people.tolist())) for name, data in sets.items()),
    )


def refuse_leaks(train: ImageTable, tests: Mapping[str, ReIDData]) -> None:
    """Raise `InputError` where an image to train on is tested on too, as when one set is split in two ways."""
    learned = set(_images(train))
    for name, data in tests.items():
        for path, box in (*_images(data.query), *_images(data.gallery)):
            if (path, box) in learned:
                raise InputError(
                    f"{path} is trained on, but `{name}` tests with it: its result would be too good. Give sets that "
                    "share no images, or one `split_seed` wherever one set is named twice."
                )


def _images(table: ImageTable) -> Iterator[tuple[str, bytes]]:
    """What tells images apart, whichever way their folder is written: the file, and its box if it has one."""
    for row, path in enumerate(table.path):
        yield os.path.abspath(path), b"" if table.box is None else table.box[row].tobytes()  # noqa: PTH100 - strings


class DomainBalancedSampler:
    """P x K batches with as many people of each domain.

    Each domain is sampled as by `PKBatchSampler`, with its share of P; within a batch people of the domains take
    turns, so that a process's share of the batch is balanced too. The epoch ends when the domain with most batches
    is through; smaller ones start over, shuffled anew.

    Args:
        person: integers [N].
        domain: integers [N], the set each image came from.
        people_per_batch: P; a multiple of the number of domains.
        images_per_person: K.
        seed: at least 0.

    Iterating yields int64 [P * K] arrays of rows; `set_epoch` and `len` as for `PKBatchSampler`. Raises `InputError`
    when P cannot be shared out evenly or a domain has fewer people than its share.
    """

    def __init__(
        self,
        person: npt.ArrayLike,
        domain: npt.ArrayLike,
        people_per_batch: int = 16,
        images_per_person: int = 4,
        seed: int = 0,
    ) -> None:
        people, domains = np.asarray(person), np.asarray(domain)
        if people.shape != domains.shape:
            raise InputError(f"`person` has shape {people.shape} and `domain` {domains.shape}; they must be equal.")
        names = np.unique(domains)
        if not len(names) or people_per_batch % len(names):
            raise InputError(
                f"`people_per_batch` is {people_per_batch}, which {len(names)} domains cannot share evenly. "
                f"Make it a multiple of {len(names)}."
            )
        self.people_per_batch = people_per_batch
        self.images_per_person = images_per_person
        self._rows = [np.flatnonzero(domains == name) for name in names]
        share = people_per_batch // len(names)
        fewest = min(len(np.unique(people[rows])) for rows in self._rows)
        if fewest < share:
            raise InputError(
                f"`people_per_batch` is {people_per_batch}, {share} from each of {len(names)} sets, but one set "
                f"has {fewest} people. Lower `people_per_batch` to {fewest * len(names)} or less."
            )
        # Domains of one seed must not draw alike.
        self._samplers = [
            PKBatchSampler(people[rows], share, images_per_person, _seed_of(seed, index))
            for index, rows in enumerate(self._rows)
        ]
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch (at least 0) whose batches `len` and iterating give."""
        self.epoch = epoch
        self._planned: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        """The number of batches in the epoch set, exactly."""
        return len(self._plan())

    def __iter__(self) -> Iterator[npt.NDArray[np.int64]]:
        yield from self._plan().copy()

    def _plan(self) -> npt.NDArray[np.int64]:
        if self._planned is None:
            for sampler in self._samplers:
                sampler.set_epoch(self.epoch * _PASSES)
            longest = max(len(sampler) for sampler in self._samplers)
            plans = [
                rows[self._long_plan(sampler, longest)]
                for sampler, rows in zip(self._samplers, self._rows, strict=True)
            ]
            by_person = [plan.reshape(longest, -1, self.images_per_person) for plan in plans]
            self._planned = np.stack(by_person, axis=2).reshape(longest, -1)  # person 0 of each domain, then person 1
        return self._planned

    def _long_plan(self, sampler: PKBatchSampler, batches: int) -> npt.NDArray[np.int64]:
        """At least `batches` batches of one domain, over as many passes as that takes, cut to that many."""
        plans: list[npt.NDArray[np.int64]] = []
        while sum(map(len, plans)) < batches:
            sampler.set_epoch(self.epoch * _PASSES + len(plans))
            plans.append(np.array(list(sampler)))
        return np.concatenate(plans)[:batches]


_PASSES = 1_000_000
"""Passes of a small domain within an epoch have numbers of their own, up to this many."""


def _seed_of(seed: int, domain: int) -> int:
    return int(np.random.SeedSequence([seed, domain]).generate_state(1, np.uint64)[0])


def _apart(columns: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    """Number each column's values from where the last one's ended."""
    first, parts = 0, []
    for column in columns:
        values, rank = np.unique(column, return_inverse=True)
        parts.append(rank.reshape(-1) + first)
        first += len(values)
    return np.concatenate(parts).astype(np.int64)


def _boxes(table: ImageTable) -> npt.NDArray[np.int64]:
    return np.tile(np.array(WHOLE_IMAGE, dtype=np.int64), (len(table), 1)) if table.box is None else table.box
