"""The head: face in front, hair behind, profile at the side, and what is worn on it."""

import math
from dataclasses import replace

import numpy as np

from strongreid.data.drawn.canvas import Canvas, Colour, Points, mix, shade
from strongreid.data.drawn.person import Person
from strongreid.data.drawn.shape import Tube, View

HALF_HEIGHT = 0.124
"""Half the height of a head in metres: somewhat larger than life, so that it reads at 128 pixels."""
_HALF_WIDTH, _HALF_DEPTH = 0.094, 0.108
_DARK: Colour = (34, 26, 28)


def _ball(centre: float, size: tuple[float, float, float], view: View, back: float = 0.0, jaw: float = 0.0) -> Tube:
    """An ellipsoid of half-axes `size` (x, y, z) at height `centre`; `jaw` narrows it towards the chin."""
    height = np.cos(np.linspace(0, math.pi, 16))
    round_ = np.sqrt(1 - height**2) * (1 - jaw * np.clip(-height, 0, 1))
    rings = [centre + size[1] * height, size[0] * round_ + 1e-3, size[2] * round_ + 1e-3, 0 * height, 0 * height - back]
    return Tube(np.stack(rings, axis=1), view)


class Head:
    """A head in its own view (it may look aside), drawn in the layers that lie behind and before the trunk."""

    def __init__(self, person: Person, view: View, nod: float, lift: float) -> None:
        self.person = person
        self.view = replace(view, turn=view.turn + nod)
        self.centre = person.height - HALF_HEIGHT + lift
        self.lift = lift
        size = (_HALF_WIDTH, HALF_HEIGHT, _HALF_DEPTH)
        self.skull = _ball(self.centre, size, self.view, jaw=0.22)
        self.from_behind = math.cos(self.view.turn) < 0

    def draw_behind(self, canvas: Canvas) -> None:
        """What hangs behind the neck when the person faces the camera."""
        person = self.person
        if person.hair in ("long", "bob") and not self.from_behind:
            self._curtain().paint(canvas, shade(person.hair_colour, 0.72))
        if person.hair in ("ponytail", "bun") and not self.from_behind:
            self._tail(canvas)

    def draw(self, canvas: Canvas) -> None:
        """Neck, face, hair and headwear, over the trunk."""
        person, view = self.person, self.view
        neck = 0.05 * person.girth**0.5 * view.scale
        low = view.point(0, 0.825 * person.height + self.lift, -0.01)
        high = view.point(0, self.centre - 0.05, 0.0)
        canvas.limb(low, high, neck, neck * 0.92, shade(person.skin, 0.86))
        if person.hair == "afro":
            self._afro(canvas, 0.82)
        self._ears(canvas, hidden=True)
        self.skull.paint(canvas, person.skin)
        self._nose(canvas)
        if self.skull.visible(0.0) or self.skull.visible(0.5) or self.skull.visible(-0.5):
            self._face(canvas)
        self.skull.shade(canvas, 0.8)
        self._hair(canvas)
        self._ears(canvas, hidden=False)
        self._headwear(canvas)

    def _ears(self, canvas: Canvas, hidden: bool) -> None:
        if self.person.hair in ("long", "bob", "afro"):
            return
        for angle in (-math.pi / 2, math.pi / 2):
            if self.skull.visible(angle) != hidden:
                at = self.skull.surface(np.array([angle]), np.array([0.53]))[0]
                radius = 0.024 * self.view.scale
                canvas.ellipse(at, radius * 0.8, radius * 1.3, shade(self.person.skin, 0.84))

    def _nose(self, canvas: Canvas) -> None:
        heights = np.array([0.1, -0.22, -0.3]) * HALF_HEIGHT + self.centre
        depths = np.array([_HALF_DEPTH * 0.99, _HALF_DEPTH + 0.022, _HALF_DEPTH * 0.9])
        ridge = self.view.project(np.stack([np.zeros(3), heights, depths], axis=1))
        canvas.polygon(ridge, shade(self.person.skin, 0.93))

    def _face(self, canvas: Canvas) -> None:
        person, skull, scale = self.person, self.skull, self.view.scale
        if person.beard:
            beard = mix(person.hair_colour, person.skin, 0.18)
            self._below(
                canvas, beard, lambda angles: np.interp(np.abs(angles), [0, 0.5, 1.3, 1.5], [0.7, 0.64, 0.55, 1.0])
            )
        lips = mix(person.skin, (150, 40, 50), 0.55)
        skull.paint_line(canvas, [-0.26, 0.26], [0.775, 0.775], lips, 0.017 * scale)
        brow = mix(person.hair_colour, _DARK, 0.4)
        for side in (-1, 1):
            if not skull.visible(side * 0.42):
                continue
            eye = skull.surface(np.array([side * 0.42]), np.array([0.5]))[0]
            canvas.ellipse(eye, 0.019 * scale, 0.015 * scale, (246, 244, 240))
            canvas.ellipse(eye, 0.0125 * scale, 0.0145 * scale, _DARK)
            skull.paint_line(canvas, [side * 0.2, side * 0.62], [0.42, 0.42], brow, 0.013 * scale)
            cheek = skull.surface(np.array([side * 0.6]), np.array([0.64]))[0]
            canvas.ellipse(cheek, 0.022 * scale, 0.018 * scale, (224, 84, 74), 0.16)
        if person.glasses:
            self._glasses(canvas)

    def _glasses(self, canvas: Canvas) -> None:
        frame = 0.012 * self.view.scale
        for side in (-1, 1):
            corners = [side * 0.16, side * 0.7, side * 0.7, side * 0.16, side * 0.16]
            self.skull.paint_line(canvas, corners, [0.45, 0.45, 0.57, 0.57, 0.45], _DARK, frame)
            self.skull.paint_line(canvas, [side * 0.7, side * 1.5], [0.48, 0.5], _DARK, frame)

    def _below(self, canvas: Canvas, colour: Colour, border) -> None:  # type: ignore[no-untyped-def]
        canvas.polygon(_cap(self.skull, border, 1.0), colour)

    def _hair(self, canvas: Canvas) -> None:
        person = self.person
        colour = person.hair_colour
        if person.hair == "bald":
            return
        depth = {"crop": 1.03, "afro": 1.28}.get(person.hair, 1.09)
        size = (_HALF_WIDTH * depth, HALF_HEIGHT * (1 + (depth - 1) * 0.9), _HALF_DEPTH * depth)
        shell = _ball(self.centre + 0.008, size, self.view, back=0.012)
        side = {"crop": 0.42, "short": 0.5, "afro": 0.62}.get(person.hair, 0.62)
        fringe = 0.3 if person.emblem % 2 else 0.36
        steps = [0.0, 0.55, 0.95, 1.3, 1.75, math.pi]
        levels = [fringe, fringe - 0.03, fringe - 0.06, side, 0.7, 0.76]
        mass = _cap(shell, lambda angles: np.interp(np.abs(angles), steps, levels), 0.0)
        canvas.polygon(mass, colour)
        shell.paint_patch(canvas, (-0.9, 0.5), (0.03, 0.16), shade(colour, 1.16))
        if person.hair in ("long", "bob"):
            curtain = self._curtain()
            curtain.paint_patch(canvas, (1.3, 2 * math.pi - 1.3), (0.0, 1.0), colour)
            curtain.paint_patch(canvas, (math.pi - 0.5, math.pi + 0.1), (0.1, 0.95), shade(colour, 1.1))
        if (person.hair in ("ponytail", "bun") and self.from_behind) or person.hair == "bun":
            self._tail(canvas)

    def _afro(self, canvas: Canvas, tone: float) -> None:
        at = self.view.point(0, self.centre + 0.045, -0.02)
        canvas.ellipse(at, 0.165 * self.view.scale, 0.15 * self.view.scale, shade(self.person.hair_colour, tone))

    def _curtain(self) -> Tube:
        end = 0.68 * self.person.height if self.person.hair == "long" else self.centre - 0.16
        end += self.lift if self.person.hair == "long" else 0.0
        top = self.centre + 0.05
        rings = [
            (top, 0.1, 0.115),
            ((2 * top + end) / 3, 0.116, 0.118),
            ((top + 2 * end) / 3, 0.12, 0.11),
            (end, 0.1, 0.1),
        ]
        return Tube(np.array([(y, a, b, 0.0, -0.022) for y, a, b in rings]), self.view)

    def _tail(self, canvas: Canvas) -> None:
        person, view = self.person, self.view
        colour = shade(person.hair_colour, 0.92)
        if person.hair == "bun":
            at = view.point(0, self.centre + 0.1, -0.085)
            canvas.limb(at, at + 0.5, 0.062 * view.scale, 0.062 * view.scale, colour)
            return
        root = view.point(0, self.centre + 0.06, -0.115)
        bend = view.point(0, self.centre - 0.06, -0.175)
        tip = view.point(0, self.centre - 0.24, -0.15)
        canvas.limb(root, bend, 0.034 * view.scale, 0.042 * view.scale, colour)
        canvas.limb(bend, tip, 0.042 * view.scale, 0.014 * view.scale, colour)

    def _headwear(self, canvas: Canvas) -> None:
        person, view = self.person, self.view
        if person.headwear == "none":
            return
        colour = person.headwear_colour
        big = 1.13
        size = (_HALF_WIDTH * big, HALF_HEIGHT * 1.1, _HALF_DEPTH * big)
        shell = _ball(self.centre + 0.014, size, view, back=0.006)
        border = 0.4 if person.headwear == "beanie" else 0.34
        canvas.polygon(_cap(shell, lambda angles: np.full(len(angles), border), 0.0), colour)
        match person.headwear:
            case "cap":
                height = self.centre + HALF_HEIGHT * 0.36
                corners = [(-0.09, 0.05), (-0.085, 0.15), (-0.04, 0.2), (0.04, 0.2), (0.085, 0.15), (0.09, 0.05)]
                brim = view.project(np.array([(x, height - 0.12 * max(0.0, z - 0.06), z) for x, z in corners]))
                if not self.from_behind:
                    canvas.polygon(brim, shade(colour, 0.72))
            case "beanie":
                shell.paint_patch(canvas, (-math.pi, math.pi), (0.3, 0.41), shade(colour, 0.75))
            case "hat":
                around = np.linspace(0, 2 * math.pi, 20)
                height = self.centre + HALF_HEIGHT * 0.38
                brim = np.stack([0.185 * np.sin(around), np.full(20, height), 0.195 * np.cos(around)], axis=1)
                canvas.polygon(_flat(view, brim), shade(colour, 0.85))
                canvas.polygon(_cap(shell, lambda angles: np.full(len(angles), 0.33), 0.0), colour)
                shell.paint_patch(canvas, (-math.pi, math.pi), (0.25, 0.34), shade(colour, 0.55))
        shell_light = shade(colour, 1.14)
        shell.paint_patch(canvas, (-0.6 - math.pi * self.from_behind, 0.2), (0.05, 0.17), shell_light, 0.7)


def _flat(view: View, brim: Points) -> Points:
    """A hat's brim must be seen even by a camera at its own height."""
    return replace(view, pitch=max(view.pitch, 0.16)).project(brim)


def _cap(ball: Tube, border, pole: float) -> Points:  # type: ignore[no-untyped-def]
    """The visible part of a ball between a pole (level 0 or 1) and a border, a function of the angle to a level."""
    middle = ball.facing()
    angles = np.linspace(middle - math.pi / 2, middle + math.pi / 2, 25)
    wrapped = np.remainder(angles + math.pi, 2 * math.pi) - math.pi
    levels = border(wrapped)
    rim = (1 - np.cos(np.linspace(0, math.pi / 2, 9))) if pole == 0 else np.sin(np.linspace(0, math.pi / 2, 9))
    right = levels[-1] + (pole - levels[-1]) * np.linspace(0, 1, 13)
    left = pole + (levels[0] - pole) * np.linspace(0, 1, 13)
    del rim
    return ball.surface(
        np.concatenate([angles, np.full(13, angles[-1]), np.full(13, angles[0])]), np.concatenate([levels, right, left])
    )
