"""Errors of parts, which name their arguments, told by the names that the settings have for these."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from operator import attrgetter

from strongreid.config import Config
from strongreid.errors import InputError


@contextmanager
def naming_fields_of(config: Config, *sections: str) -> Iterator[None]:
    """Name the settings in errors of the parts that are built in the block: `padding` becomes `augment.padding`.

    Parts know their own arguments only, and set their names in backquotes; those that are fields of one of the sections
    get its name in front.
    """
    fields = {name: f"{section}.{name}" for section in sections for name in vars(attrgetter(section)(config))}
    try:
        yield
    except InputError as error:
        said = re.sub(r"`(\w+)`", lambda found: f"`{fields.get(found[1], found[1])}`", str(error))
        raise InputError(said) from error
