"""Weight files: read without running code in them, load exactly or not at all, fetch only when asked.

What anybody's file holds is read by `checkpoint`, which runs nothing in it. Keys that do not fit are an error that
lists them: libraries that load "what fits" leave a half-random network behind. Without a network the answer comes
within seconds, because an address is asked once, with a time limit, before anything is downloaded from it.

What is written here carries a checksum of all tensors and of the metadata, so that no flipped bit goes unnoticed.
"""

import hashlib
import http.client
import json
import re
import threading
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import huggingface_hub
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from strongreid.errors import InputError
from strongreid.files import atomic_file
from strongreid.models.checkpoint import read_checkpoint, read_metadata

SECONDS_TO_ANSWER = 4.0
"""How long a host may take to answer before it counts as out of reach."""
HUB_FILE = "model.safetensors"
"""What timm calls the weights in a repository of the hub."""
CHECKSUM_KEY = "strongreid_sha256"
"""Where in a file's metadata its checksum is; other programs' files and older ones have none."""
BY_HAND = (
    "Download the file on a machine with a network and give its path (.safetensors or .pth) as the weights. "
    "Without weights the network starts from random ones."
)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a state dict from a .safetensors file, or from a PyTorch file (.pth, .pt, .bin), onto the CPU.

    Raises `InputError` if the file is missing, cut short, or holds anything but a flat table of tensors.
    """
    if not path.is_file():
        raise InputError(f"There is no weight file {path}. Give the path of a .safetensors or .pth file.")
    state = read_checkpoint(path)
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(
            f"The weight file {path} holds no state dict (a flat table of tensors) but "
            f"{described(state)}. Save the network's state_dict() alone."
        )
    return dict(state)


def save_weights(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str]) -> None:
    """Write a .safetensors file atomically, with its checksum beside the caller's `metadata`.

    Raises `InputError` or `OSError` where it cannot be written.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    said = {**metadata, CHECKSUM_KEY: _checksum(plain, metadata)}
    with atomic_file(path) as partial:
        try:
            save_file(plain, partial, metadata=said)
        except SafetensorError as error:
            raise InputError(f"The weights {path} cannot be written ({error}).") from error


def recorded_checksum(path: Path) -> str | None:
    """Return the checksum that a .safetensors file carries, without comparing it; None where it carries none."""
    return read_metadata(path).get(CHECKSUM_KEY)


def verify_weights(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Raise `InputError` where `tensors`, read from `path`, or its metadata are not what `save_weights` wrote.

    Files without a checksum pass. It takes about a second for 1.5 GB of weights.
    """
    metadata = read_metadata(path)
    checksum = metadata.pop(CHECKSUM_KEY, None)
    if checksum is not None and checksum != _checksum(tensors, metadata):
        raise InputError(
            f"The weight file {path} is damaged: its content is not what was written (the checksum differs). Copy it "
            "again."
        )


def _checksum(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(sorted(metadata.items())).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def load_exactly(module: nn.Module, state: Mapping[str, Tensor], *, source: str) -> None:
    """Copy `state` into `module`; every key and every shape must fit, or `InputError` lists what does not.

    BatchNorm's `num_batches_tracked` may be missing: files older than PyTorch 0.4.1 do not have it.
    """
    refuse_misfits(module.state_dict(), state, source=source)
    # A plain dict, without the version that a saved state dict carries: BatchNorm then forgives the missing counter.
    module.load_state_dict(dict(state), strict=True)


def refuse_misfits(
    own: Mapping[str, Tensor], state: Mapping[str, Tensor], *, source: str, names: Mapping[str, str] | None = None
) -> None:
    """Raise `InputError` that lists what of `state` does not fit into `own`, a module's state dict.

    `names`: what the keys of `state` are called in `source`.
    """
    said = names or {}
    missing = [said.get(key, key) for key in own if key not in state and not key.endswith("num_batches_tracked")]
    unexpected = [said.get(key, key) for key in state if key not in own]
    misshapen = [
        f"{said.get(key, key)} {list(state[key].shape)} in place of {list(value.shape)}"
        for key, value in own.items()
        if key in state and state[key].shape != value.shape
    ]
    if missing or unexpected or misshapen:
        raise InputError(
            f"The weights of {source} are of another architecture. Missing: {listed(missing)}. "
            f"Unexpected: {listed(unexpected)}. Of another shape: {listed(misshapen)}."
        )


def fetch(name: str, *, hub_id: str | None, hub_file: str | None, url: str | None) -> Path:
    """Find the weights `name` in the hub's cache or torch's, else download them: from the hub, else from `url`.

    Raises `InputError` within some seconds where neither can be reached; it names the way with a local file.
    """
    sources: dict[str, Path] = {}
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    if hub_id is not None:
        hub_file = hub_file or HUB_FILE
        cached = huggingface_hub.try_to_load_from_cache(hub_id, hub_file)
        if isinstance(cached, str):
            return Path(cached)
        sources[huggingface_hub.hf_hub_url(hub_id, hub_file)] = folder / (name + Path(hub_file).suffix)
    if url is not None:
        sources[url] = folder / url.rsplit("/", maxsplit=1)[-1]
    for file in sources.values():
        if file.is_file():
            return file
    for address, file in sources.items():
        if not huggingface_hub.constants.HF_HUB_OFFLINE and answers(address):
            return _downloaded(address, file)
    raise InputError(
        f"The ImageNet weights {name} are not on this machine and cannot be fetched: no answer from "
        f"{' and '.join(sources) or 'any address'}. {BY_HAND}"
    )


def _downloaded(address: str, file: Path) -> Path:
    checksum = re.search(r"-([0-9a-f]{8,})\.", file.name)
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(address, str(file), hash_prefix=checksum and checksum[1], progress=True)
    except (OSError, http.client.HTTPException, RuntimeError) as error:
        raise InputError(f"The download of {address} failed ({error}). {BY_HAND}") from error
    return file


def answers(url: str) -> bool:
    """Whether `url` can be had, known within `SECONDS_TO_ANSWER`.

    Asked in a thread, because looking up a host's name knows no time limit.
    """
    answered = threading.Event()

    def ask() -> None:
        request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "strongreid"})
        try:
            with urllib.request.urlopen(request, timeout=SECONDS_TO_ANSWER):
                answered.set()
        except (OSError, http.client.HTTPException, ValueError):
            return

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(SECONDS_TO_ANSWER)
    return answered.is_set()


def described(content: object) -> str:
    """What a checkpoint holds in place of a state dict, for errors."""
    if isinstance(content, Mapping):
        return f"a table with {listed([str(name) for name in content])}" if content else "an empty table"
    return f"a {type(content).__name__}"


def listed(names: list[str]) -> str:
    """The first of some names, for errors."""
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return ", ".join(names[:6]) + more or "none"
