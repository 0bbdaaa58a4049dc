"""How somebody stands or walks in one moment: the joints of the body."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from .person import Person

Points = npt.NDArray[np.float64]
Gesture = Literal["swing", "phone", "call", "pocket", "strap"]


@dataclass(frozen=True)
class Pose:
    """A moment of walking: `phase` in radians over two steps, `swing` the largest angle of the thigh in radians."""

    phase: float
    swing: float
    gesture: Gesture
    nod: float
    """How far the head looks aside, in radians."""


@dataclass(frozen=True)
class Joints:
    """Where the joints are: float64 `[2, 3]` each (right, left), in metres in the body's frame; `lift` is the bob."""

    hip: Points
    knee: Points
    ankle: Points
    toe: Points
    shoulder: Points
    elbow: Points
    hand: Points
    lift: float


_GESTURES: tuple[Gesture, ...] = ("phone", "call", "pocket", "swing")


def make_pose(person: Person, rng: np.random.Generator) -> Pose:
    """Draw a moment: mostly walking, at times standing."""
    walking = rng.random() < 0.8
    swing = person.stride * rng.uniform(0.75, 1.1) if walking else rng.uniform(0.02, 0.1)
    gesture = _GESTURES[min(int(rng.integers(9)), 3)]
    if person.bag == "backpack" and rng.random() < 0.2:
        gesture = "strap"
    return Pose(float(rng.uniform(0, 2 * math.pi)), float(swing), gesture, float(rng.normal(0, 0.25)))


def joints(person: Person, pose: Pose) -> Joints:
    """The joints of a person in a pose; the lower foot stands on the ground."""
    legs = [_leg(person, pose, side) for side in (-1, 1)]
    lift = 0.035 - min(ankle[1] for _, _, ankle, _ in legs)
    raised = np.array([0.0, lift, 0.0])
    hip, knee, ankle, toe = (np.stack([leg[i] for leg in legs]) + raised for i in range(4))
    arms = [_arm(person, pose, side) for side in (-1, 1)]
    shoulder, elbow, hand = (np.stack([arm[i] for arm in arms]) + raised for i in range(3))
    return Joints(hip, knee, ankle, toe, shoulder, elbow, hand, lift)


def _leg(person: Person, pose: Pose, side: int) -> tuple[Points, Points, Points, Points]:
    phase = pose.phase + (math.pi if side > 0 else 0.0)
    thigh = pose.swing * math.sin(phase) + 0.03
    # The knee bends while the leg swings forward.
    shank = thigh - 0.06 - 1.5 * pose.swing * max(0.0, math.cos(phase)) ** 1.3
    hip = np.array([side * (0.075 + 0.012 * person.curve) * person.girth**0.5, 0.505 * person.height, 0.0])
    knee = hip + 0.242 * person.height * np.array([side * 0.02, -math.cos(thigh), math.sin(thigh)])
    ankle = knee + 0.238 * person.height * np.array([0.0, -math.cos(shank), math.sin(shank)])
    foot = 0.55 * min(0.0, shank + 0.15) + 0.25 * max(0.0, shank)
    toe = ankle + 0.088 * person.height * np.array([side * 0.12, math.sin(foot) - 0.12 * (foot > -0.1), math.cos(foot)])
    return hip, knee, ankle, toe


def _arm(person: Person, pose: Pose, side: int) -> tuple[Points, Points, Points]:
    phase = pose.phase + (0.0 if side > 0 else math.pi)
    upper = 0.85 * pose.swing * math.sin(phase)
    fore, spread, inward = upper + 0.22 + 0.3 * max(0.0, math.sin(phase)), 0.13, 0.02
    active = side == -person.bag_side
    if pose.gesture == "phone" and active:
        upper, fore, inward = 0.25, 1.75, 0.5
    elif pose.gesture == "call" and active:
        upper, fore, spread, inward = 0.35, 2.6, 0.3, 0.25
    elif pose.gesture == "pocket":
        upper, fore, spread, inward = -0.25, 0.35, 0.3, 0.35
    elif pose.gesture == "strap" and active:
        upper, fore, inward = 0.0, 2.35, 0.3
    elif person.bag in ("tote", "suitcase") and side == person.bag_side:
        upper, fore, spread = -0.05, 0.02, 0.16
    width = shoulder_width(person)
    shoulder = np.array([side * (width * 0.87), 0.777 * person.height, 0.0])
    elbow = shoulder + 0.172 * person.height * _swing(upper, side * (spread + 0.05 * person.girth))
    hand = elbow + 0.16 * person.height * _swing(fore, -side * inward)
    return shoulder, elbow, hand


def _swing(forward: float, outward: float) -> Points:
    return np.array([math.sin(outward), -math.cos(forward) * math.cos(outward), math.sin(forward) * math.cos(outward)])


def shoulder_width(person: Person) -> float:
    """Half the breadth of the shoulders in metres."""
    return (0.205 - 0.035 * person.curve) * math.pow(person.girth, 0.7) * person.height / 1.72
