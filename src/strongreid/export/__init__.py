"""Models out, as their consumers load them unchanged; and any ONNX ReID model in."""

from strongreid.export.card import Card, card_text
from strongreid.export.consumers import Consumer, profile_for
from strongreid.export.write import card_path, export_model, settings_for

__all__ = ["Card", "Consumer", "card_path", "card_text", "export_model", "profile_for", "settings_for"]
