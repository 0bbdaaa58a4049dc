"""The P x K sampler: each batch holds P people with K images each (Luo et al. 2019, section 2).

An epoch is planned at once as an array of indices and is a pure function of (seed, epoch): resuming needs no
generator's state, and each of several processes can plan the same global batches for itself.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from strongreid.errors import InputError


class PKBatchSampler:
    """Batches of P x K indices: `people_per_batch` people, `images_per_person` images of each.

    In an epoch each person's images are shuffled and cut into groups of K; a remainder below K is dropped, and a
    person with fewer than K images is drawn with replacement to K. Batches take a group each of P people, drawn from
    those who have groups left, until fewer than P people have one (Luo et al. 2019, section 2, as in its code).

    Args:
        person: integers [N], the person of each image; any numbers.
        people_per_batch: P, at least 1.
        images_per_person: K, at least 1.
        seed: at least 0; with the epoch it decides every draw.

    Iterating yields int64 [P * K] arrays of rows of `person`: the K images of a person stand together. Raises
    `InputError` when there are fewer than P people.
    """

    def __init__(
        self, person: npt.ArrayLike, people_per_batch: int = 16, images_per_person: int = 4, seed: int = 0
    ) -> None:
        labels = np.asarray(person)
        if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
            raise InputError(f"`person` must be integers [N]; it is {labels.dtype} {list(labels.shape)}.")
        for name, value in (("people_per_batch", people_per_batch), ("images_per_person", images_per_person)):
            if value < 1:
                raise InputError(f"`{name}` is {value}; it must be at least 1.")
        if seed < 0:
            raise InputError(f"`seed` is {seed}; it must be at least 0.")
        people, self._person = np.unique(labels, return_inverse=True)
        if len(people) < people_per_batch:
            raise InputError(
                f"`people_per_batch` is {people_per_batch}, but the training set has {len(people)} "
                f"{'person' if len(people) == 1 else 'people'}. Lower `people_per_batch` or train on more people."
            )
        self.people_per_batch = people_per_batch
        self.images_per_person = images_per_person
        self.seed = seed
        self._images = np.bincount(self._person)
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch (at least 0) whose batches `len` and iterating give."""
        if epoch < 0:
            raise InputError(f"The epoch is {epoch}; it must be at least 0.")
        self.epoch = epoch
        self._planned: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        """The number of batches in the epoch set: exact, it differs a little from epoch to epoch."""
        return len(self._plan())

    def __iter__(self) -> Iterator[npt.NDArray[np.int64]]:
        yield from self._plan().copy()

    def _plan(self) -> npt.NDArray[np.int64]:
        """All batches of the epoch: int64 [batches, P * K]."""
        if self._planned is None:
            rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed, self.epoch])))
            groups = self._groups(rng)
            turns = self._turns(rng)
            self._planned = groups[turns].reshape(len(turns), -1)
        return self._planned

    def _groups(self, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Shuffled groups of K images, person after person: int64 [groups, K]."""
        size = self.images_per_person
        # Sorting by (person, random number) shuffles within each person.
        shuffled = np.lexsort((rng.random(len(self._person)), self._person))
        start = np.cumsum(self._images) - self._images
        position = np.arange(len(shuffled)) - np.repeat(start, self._images)
        kept = position < np.repeat(self._images // size * size, self._images)
        owner = self._person[shuffled[kept]][::size]
        groups = shuffled[kept].reshape(-1, size)
        small = np.flatnonzero(self._images < size)
        drawn = (rng.random((len(small), size)) * self._images[small, None]).astype(np.int64)
        groups = np.concatenate((groups, shuffled[start[small, None] + drawn]))
        return groups[np.argsort(np.concatenate((owner, small)), kind="stable")].astype(np.int64)

    def _turns(self, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Which groups make each batch: int64 [batches, P]."""
        groups_left = np.maximum(self._images // self.images_per_person, 1)
        following = np.cumsum(groups_left) - groups_left
        turns = []
        while len(waiting := np.flatnonzero(groups_left)) >= self.people_per_batch:
            chosen = rng.choice(waiting, self.people_per_batch, replace=False)
            turns.append(following[chosen])
            following[chosen] += 1
            groups_left[chosen] -= 1
        return np.array(turns, dtype=np.int64)
