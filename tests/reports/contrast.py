"""Contrast of two colours by WCAG 2.2: (lighter + 0.05) / (darker + 0.05), of relative luminances."""

from matplotlib.colors import to_rgb

TEXT = 4.5
"""What text must have against its background."""


def contrast(one: object, other: object) -> float:
    """Colours as matplotlib takes them, without transparency: "#rrggbb", or red, green and blue from 0 to 1."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: object) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
