"""Who may use the service: names with tokens, so that the audit log's "who" means something.

Tokens come from a file or from the environment, never from the command line, which every user of the machine can read.
Only their hashes are kept, and all of them are compared, in a time that does not depend on what came.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Final

from strongreid.errors import InputError

SHORTEST: Final = 16
"""Characters of the shortest token that is accepted."""
ALONE: Final = "user"
"""The name of the user whose token stands without a name."""
HOW_TO_MAKE: Final = "Make one: python -c 'import secrets; print(secrets.token_urlsafe())'"


class Users:
    """The users by their tokens.

    Args:
        tokens: each user's token. Raises `InputError` for one that is short, or that two users have.
    """

    def __init__(self, tokens: Mapping[str, str]) -> None:
        if len(set(tokens.values())) < len(tokens):
            raise InputError(f"Two users have the same token, so nobody could tell them apart. {HOW_TO_MAKE}")
        for name, token in tokens.items():
            if len(token) < SHORTEST:
                raise InputError(
                    f"The token of {name} has {len(token)} characters; it must have at least {SHORTEST}. {HOW_TO_MAKE}"
                )
        self.names = tuple(tokens)
        self._hashes = [_hash(token) for token in tokens.values()]

    def who(self, token: str) -> str | None:
        """Return whose token it is; None where it is nobody's."""
        came, found = _hash(token), None
        for name, known in zip(self.names, self._hashes, strict=True):
            if hmac.compare_digest(came, known):
                found = name
        return found


def parse_users(text: str, source: str) -> Users:
    r"""Read users: NAME:TOKEN in lines or between spaces, # begins a comment; a token alone is that of `ALONE`.

    `source` is named in errors, of which no token ever is a part. Raises `InputError` for what is no such list.
    """
    tokens: dict[str, str] = {}
    for word in re.sub(r"#.*", "", text).split():
        name, colon, token = word.partition(":")
        name, token = (name, token) if colon else (ALONE, name)
        if not name or not name.isprintable() or len(name) > 100:
            raise InputError(f"{source}: a user's name has 1 to 100 printable characters. Write NAME:TOKEN a line.")
        if name in tokens:
            raise InputError(f"{source}: {name} has two tokens. Write NAME:TOKEN a line, each user once.")
        tokens[name] = token
    if not tokens:
        raise InputError(f"{source} holds no token. Write NAME:TOKEN, one user a line. {HOW_TO_MAKE}")
    return Users(tokens)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
