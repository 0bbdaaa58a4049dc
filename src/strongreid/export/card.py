"""The model card: what a model is, what it was trained and measured on, what it is for and what it is not for.

One place, whatever is written: an exported file, a saved model, a folder for the hub. It says only what is known, and
where something is not known it says that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from strongreid.models import ReIDModel

UNSUITABLE: Final = (
    "Identifying people in public places without a legal basis. In many countries features made of people's pictures "
    "are personal data, some biometric; in the European Union see the GDPR and the AI Act.",
    "Decisions about a person that nobody checks: a match is a guess, and people who dress alike are taken for one.",
    "Recognising a person over days: it is mostly clothes that are compared.",
    "Faces, vehicles, animals: it has learned whole people, upright, in crops as detectors make them.",
)
INTENDED: Final = (
    "Following a person across cameras or through gaps of one video, where that is lawful and people know of it.",
    "Research on person re-identification.",
)


@dataclass(frozen=True)
class Card:
    """What a card says of one model; empty where it is not known."""

    name: str
    network: str
    """Backbone, size of images, number of parameters and of features, in a sentence."""
    data: Mapping[str, str] = field(default_factory=dict)
    """The terms of each set it was trained on, by its name."""
    recipe: str = ""
    """How it was trained, in sentences."""
    command: str = ""
    """The command that trains it again."""
    metrics: Mapping[str, list[str]] = field(default_factory=dict)
    """Figures by test set, each in words, with its interval where there is one."""
    threshold: str = ""
    """The calibrated threshold, in a sentence."""
    versions: Mapping[str, str] = field(default_factory=dict)
    pixels: str = ""
    """What the written file is fed."""
    proof: str = ""
    """How near the written file is to the model, in a sentence."""


def network_words(model: ReIDModel) -> str:
    """Say what a network is: its backbone, the size of its images and features, the feature that is compared."""
    count = sum(parameter.numel() for parameter in model.backbone.parameters())
    height, width = model.image_size
    return (
        f"{model.arguments['backbone']}, {count / 1e6:.1f} million parameters; images of {height} x {width} pixels to "
        f"features of {model.width} numbers (`{model.feature}`), compared by {model.metric} distance."
    )


def threshold_words(model: ReIDModel) -> str:
    """Say what the model's calibrated threshold is and does; empty where it has none."""
    return "" if model.calibrated is None else model.calibrated.words(model.metric)


def card_text(card: Card) -> str:
    """Write a card as Markdown with the front matter that model hubs read."""
    front: dict[str, Any] = {
        "library_name": "strongreid",
        "pipeline_tag": "image-feature-extraction",
        "tags": ["person-re-identification", "re-identification", "image-retrieval"],
        **({"datasets": sorted(card.data)} if card.data else {}),
    }
    data = [f"- **{name}**: {terms}" for name, terms in card.data.items()]
    metrics = [f"- **{name}**: {'; '.join(figures)}" for name, figures in card.metrics.items()]
    sections = {
        "Network": [card.network],
        "Data": data or ["Not recorded."],
        "Training": [text for text in (card.recipe, f"`{card.command}`" if card.command else "") if text]
        or ["Not recorded."],
        "Results": metrics or ["Not measured, or not recorded."],
        "Threshold": [card.threshold or "Not calibrated: no distance is known that tells one person from two."],
        "Input": [f"{card.pixels}."] if card.pixels else [],
        "Proof": [card.proof] if card.proof else [],
        "Intended uses": [f"- {use}" for use in INTENDED],
        "Unsuitable uses": [f"- {use}" for use in UNSUITABLE],
        "Versions": [", ".join(f"{name} {number}" for name, number in card.versions.items()) or "Not recorded."],
    }
    body = [f"## {title}\n\n" + "\n".join(lines) for title, lines in sections.items() if lines]
    return "\n\n".join([f"---\n{yaml.safe_dump(front, sort_keys=False)}---", f"# {card.name}", *body]) + "\n"
