"""Which images a run had, by their fingerprints, and that it goes on with these and no others."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from strongreid.config import Config
from strongreid.config_sections import set_label
from strongreid.data import ImageTable, ReIDData
from strongreid.errors import InputError


def fingerprint_of(sets: Mapping[str, ReIDData], train: ImageTable | None = None) -> dict[str, Any]:
    """Return which images these are: of the main set's parts by their names, of other sets' below `tested`."""
    main, *others = map(sides_of, sets.values())
    found: dict[str, Any] = main
    if train is not None:
        held_out = {name: sides_of(part) for name, part in held_out_of(next(iter(sets.values()))).items()}
        found = {"train": train.fingerprint(), **main, **held_out}
    return {**found, "tested": dict(zip(list(sets)[1:], others, strict=True))} if others else found


def sides_of(data: ReIDData) -> dict[str, str]:
    """Return the fingerprints of query and gallery."""
    return {"query": data.query.fingerprint(), "gallery": data.gallery.fingerprint()}


def held_out_of(data: ReIDData) -> dict[str, ReIDData]:
    """Return the people held out of a set, by what for."""
    held = {"stop": data.stop, "threshold": data.threshold}
    return {name: part for name, part in held.items() if part is not None}


def refuse_other_images(config: Config, recorded: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Raise `InputError` where images are not those with which a run was started."""
    for part in [part for part in found if part != "tested"]:
        if found[part] != recorded.get(part):
            raise InputError(
                f"The {part} images of {config.data.name} in {config.data.root} are not those with which this run was "
                "started (their fingerprints differ). Restore them, or name the folder where they lie: --data.root DIR."
            )
    before = recorded.get("tested", {})
    for one, (name, now) in zip(config.data.tested, found.get("tested", {}).items(), strict=True):
        if now != before.get(name, before.get(set_label(one))):  # older runs have drawn people by another name
            raise InputError(
                f"The images of {name} in {one.root} are not those on which this run was to be tested (their "
                f"fingerprints differ). Restore them, or name the folder where they lie: --moved {set_label(one)}=DIR."
            )


@contextmanager
def data_may_have_moved(of_run: Config | None) -> Iterator[None]:
    """Add to what cannot be read in the block that the data sets of a run may lie elsewhere now."""
    try:
        yield
    except InputError as error:
        if of_run is None:
            raise
        others = dict.fromkeys(f"--moved {set_label(one)}=DIR" for one in (*of_run.data.joined, *of_run.data.tested))
        hint = f"If a data set of the run was moved, name its folder: {', '.join(['--data.root DIR', *others])}."
        raise InputError(f"{error} {hint}") from error
