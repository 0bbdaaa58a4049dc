"""Names of people, cameras and tracks as whole numbers, the same in whatever table or gallery a name stands."""

import hashlib
from typing import Final

FIRST_OF_NAMES: Final = 2**62
"""Names get numbers from here on."""


def number_of_name(name: str) -> int:
    """Return a number that depends on the name alone, not on others beside it; no two are likely to share one."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return FIRST_OF_NAMES + int.from_bytes(digest[:8], "big") % FIRST_OF_NAMES
