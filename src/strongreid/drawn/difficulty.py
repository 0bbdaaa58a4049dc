"""How hard the drawn people are to tell apart: every strength in one place.

The numbers were set once, looking only at an untrained network (under 15 % mAP) and at the recipe
`standard_baseline` (40 to 80 % mAP at demo size). The order of the recipes is a result and was never looked at here.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Difficulty:
    """Strengths of what hides a person. Probabilities lie in 0..1; 0 switches a thing off."""

    cast: float = 0.1
    """Strength of the cameras' own colour casts; 1 changes a channel's gain by up to about 20 %."""
    exposure: float = 0.2
    """Strength of the cameras' brightness, contrast and haze, and of their change from image to image."""
    blur: float = 0.45
    """Factor on the cameras' blur, in pixels of the finished image."""
    noise: float = 0.4
    """Factor on the cameras' sensor noise."""
    occlusion: float = 0.08
    """Probability that something stands before the person: a pole, a bush, a bicycle, someone else."""
    passer_by: float = 0.15
    """Probability that another person walks in the background."""
    bad_box: float = 0.08
    """Probability that the box is badly cut: head or feet missing, too large, off its centre."""
    box_shift: float = 0.8
    """Factor on the small shifts and changes of scale which every box has."""
    turn_spread: float = 0.55
    """Standard deviation in radians of the direction a person faces, about the camera's usual one."""
    shared_clothes: float = 0.15
    """Probability that a colour comes from the few which everybody wears, not from the whole palette."""
    plain: float = 0.4
    """Probability that a top has no pattern and no logo."""
    accessories: float = 0.75
    """Probability that a person carries a bag; half as likely is something on the head."""


DIFFICULTY = Difficulty()
"""The strengths in use."""
