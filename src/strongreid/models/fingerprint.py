"""Which features a model gives, as one number: for files of features, which other models' must not be compared with.

It is of all that features depend on, and of nothing else: a threshold that is calibrated later, or a metric, changes
none. Arguments count where they are not what a model without them has, so that a later version, which knows more of
them, finds the same number.
"""

import hashlib
import json
from inspect import signature

import torch

from strongreid.models.model import ReIDModel

_IRRELEVANT = frozenset({"people", "metric"})
"""Arguments on which features do not depend."""


def model_fingerprint(model: ReIDModel) -> str:
    """SHA-256, in hexadecimal, of a model's weights without its classifier, and of its arguments."""
    usual = {name: parameter.default for name, parameter in signature(ReIDModel).parameters.items()}
    set_since = ("feature", "image_size", "interpolation", "unit_length")
    own = {name: getattr(model, name) for name in set_since}
    given = {name: value for name, value in {**model.arguments, **own}.items() if name not in _IRRELEVANT}
    digest = hashlib.sha256(b"strongreid model 1\0")
    unusual = {name: value for name, value in given.items() if value != usual.get(name)}
    digest.update(json.dumps(unusual, sort_keys=True).encode())
    for name, tensor in sorted(model.state_dict().items()):
        if not name.startswith("classifier."):
            plain = tensor.detach().cpu().contiguous()
            digest.update(f"\0{name} {plain.dtype} {list(plain.shape)}\0".encode())
            digest.update(plain.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
