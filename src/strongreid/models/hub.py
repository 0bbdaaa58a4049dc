"""Models on the Hugging Face hub: found in the cache or downloaded, and folders that are ready to be pushed.

Only the safetensors file is read, which runs no code. Which revision a name stands for can change; so it is pinned, or
said: `Found.revision` is the commit that was taken.
"""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from strongreid.errors import InputError
from strongreid.files import atomic_folder
from strongreid.models.model_file import FILE_NAME
from strongreid.models.weights import answers

if TYPE_CHECKING:
    from strongreid.models.model import ReIDModel

PREFIX: Final = "hf:"
"""How a name on the hub begins, where a path may stand too."""
_COMMIT = re.compile(r"[0-9a-f]{40}")


class Found(NamedTuple):
    """A model on this machine."""

    file: Path
    revision: str | None
    """The commit of the hub that it is of; None for a path."""


def find_pretrained(source: str | Path, revision: str | None = None) -> Found:
    """Find the model that `source` names: "hf:owner/name" on the hub (`find_on_hub`), else a path as it is."""
    if str(source).startswith(PREFIX):
        return find_on_hub(str(source), revision)
    if revision is not None:
        raise InputError(f"A `revision` is for models on the hub (hf:owner/name); {source} is a path.")
    return Found(Path(source), None)


def find_on_hub(name: str, revision: str | None = None) -> Found:
    """Find the model "hf:owner/name" in the hub's cache, else download it.

    `revision`: a commit, tag or branch; a commit is taken from the cache without asking anybody. Of anything else the
    hub is asked what it stands for today and, where it is out of reach, the cache tells what it stood for. Raises
    `InputError` within some seconds where the file is neither there nor in reach.
    """
    repository, wanted = name.removeprefix(PREFIX), revision or "main"
    try:
        if repository.count("/") != 1:
            raise HFValidationError("an owner and a name are needed")
        cached = huggingface_hub.try_to_load_from_cache(repository, FILE_NAME, revision=wanted)
    except HFValidationError as error:
        raise InputError(f"{name} is no name on the hub ({error}). Write hf:owner/name.") from error
    address = huggingface_hub.hf_hub_url(repository, FILE_NAME, revision=wanted)
    online = not huggingface_hub.constants.HF_HUB_OFFLINE
    if isinstance(cached, str) and (_COMMIT.fullmatch(wanted) or not online or not answers(address)):
        return _found(cached)
    if not online or not answers(address):
        raise InputError(
            f"The model {name} ({wanted}) is not in the hub's cache on this machine and cannot be fetched: no answer "
            f"from {address}{'' if online else ', because HF_HUB_OFFLINE is set'}. Check the name, or give the path of "
            "a model file."
        )
    try:
        return _found(huggingface_hub.hf_hub_download(repository, FILE_NAME, revision=wanted))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        reason = str(error).split("\n", maxsplit=1)[0]
        raise InputError(f"The download of {address} failed ({reason}). Try again, or give a model file.") from error


def _found(file: str) -> Found:
    """Read the commit off a path in the hub's cache, .../snapshots/COMMIT/model.safetensors."""
    path = Path(file)
    return Found(path, path.parent.name)


def save_for_hub(model: "ReIDModel", folder: str | Path, *, card: str) -> None:
    """Write a new folder that `huggingface_hub.upload_folder` takes as it is: weights, config.json, model card.

    `card`: the text of README.md, Markdown with its front matter. `config.json` says what is in the weights' header,
    for people and the hub; loading does without it. Written whole or not at all; `InputError` where there is a folder.
    """
    folder = Path(folder)
    if folder.exists():
        raise InputError(f"{folder} exists already. Name a new folder.")
    with atomic_folder(folder) as partial:
        model.save(partial / FILE_NAME)
        said: dict[str, Any] = {"library_name": "strongreid", **model.arguments}
        (partial / "config.json").write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
        (partial / "README.md").write_text(card, encoding="utf-8")
