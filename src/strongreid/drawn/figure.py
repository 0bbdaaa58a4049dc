"""How a person is drawn in a pose and a view: the parts, far ones first."""

import math

from .bags import bag_place, draw_bag, draw_straps
from .canvas import Canvas, Colour, shade
from .hair import draw_hair, draw_hair_behind, draw_headwear
from .head import Head, draw_head
from .legs import draw_leg, draw_pelvis
from .person import Person
from .pose import Joints, Pose, joints
from .shape import View
from .trunk import draw_trunk


def draw_figure(canvas: Canvas, person: Person, pose: Pose, view: View) -> None:
    """Draw a person with a shadow on the ground, feet at `view.ground`."""
    body = joints(person, pose)
    head = Head(person, view, pose.nod, body.lift)
    x, _, z = bag_place(person, body)
    bag_behind = view.near(x, z) < (0.0 if person.bag == "backpack" else -0.05)
    arms = sorted((0, 1), key=lambda arm: _arm_near(view, body, arm))
    far_arms = [arm for arm in arms if _arm_near(view, body, arm) < -0.06]
    near_arms = [arm for arm in arms if arm not in far_arms]

    _draw_shadow(canvas, view, body)
    for arm in far_arms:
        _draw_arm(canvas, person, view, body, arm)
    if bag_behind:
        draw_bag(canvas, person, view, body)
    draw_hair_behind(canvas, head)
    for leg in sorted((0, 1), key=lambda i: view.near(body.knee[i, 0], body.knee[i, 2] + body.ankle[i, 2])):
        draw_leg(canvas, person, view, body, leg)
    draw_pelvis(canvas, person, view, body)
    draw_straps(canvas, person, draw_trunk(canvas, person, view, body.lift))
    # An arm that holds a telephone to the ear lies before the head, any other behind it.
    raised = pose.gesture == "call"
    for arm in () if raised else near_arms:
        _draw_arm(canvas, person, view, body, arm)
    if person.bag == "backpack" and not bag_behind:
        draw_bag(canvas, person, view, body)
    draw_head(canvas, head)
    draw_hair(canvas, head)
    draw_headwear(canvas, head)
    for arm in near_arms if raised else ():
        _draw_arm(canvas, person, view, body, arm)
    if person.bag != "backpack" and not bag_behind:
        draw_bag(canvas, person, view, body)


def _arm_near(view: View, body: Joints, arm: int) -> float:
    return view.near(float(body.elbow[arm, 0]), float(body.elbow[arm, 2]))


def _draw_shadow(canvas: Canvas, view: View, body: Joints) -> None:
    stride = abs(float(body.ankle[0, 2] - body.ankle[1, 2])) * abs(math.sin(view.turn))
    wide = (0.34 + 0.25 * stride) * view.scale
    centre = view.ground + complex(-0.14 * canvas.light, 0.01) * view.scale
    canvas.soft_ellipse(centre, wide, wide * (0.08 + 0.3 * math.sin(view.pitch)), (12, 14, 24), 0.8)


def _draw_arm(canvas: Canvas, person: Person, view: View, body: Joints, arm: int) -> None:
    shoulder, elbow, hand = view.points(j[arm].tolist() for j in (body.shoulder, body.elbow, body.hand))
    size = person.girth**0.7 * view.scale
    sleeve: Colour = person.accent if person.pattern == "halves" and person.emblem % 2 else person.top_colour
    skin = person.skin
    if view.near(float(body.shoulder[arm, 0]), 0.0) < -0.06:
        # The far arm lies in the body's shade.
        sleeve, skin = shade(sleeve, 0.84), shade(skin, 0.84)
    wide, middle, end = 0.052 * size, 0.043 * size, 0.034 * size
    canvas.limb([hand, hand + (hand - elbow) * 0.16], [0.04 * size, 0.034 * size], skin)
    if person.sleeves == 1:
        loose = 1.15 if person.top in ("hoodie", "coat", "jacket") else 1.0
        canvas.limb([shoulder, elbow, hand], [wide * loose, middle * loose, end * loose], sleeve)
    else:
        canvas.limb([shoulder, elbow, hand], [wide * 0.9, middle * 0.9, end * 0.86], skin)
    if 0 < person.sleeves < 1:
        canvas.limb([shoulder, shoulder + (elbow - shoulder) * person.sleeves * 1.6], [wide, middle * 1.16], sleeve)
    if person.pattern == "stripes" and person.sleeves > 0:
        _draw_rings(canvas, person, view, [shoulder, elbow, hand] if person.sleeves == 1 else [shoulder, elbow])


def _draw_rings(canvas: Canvas, person: Person, view: View, points: list[complex]) -> None:
    """Stripes across a sleeve."""
    for i in range(len(points) - 1):
        along = points[i + 1] - points[i]
        across = 1j * along / (abs(along) + 1e-6) * 0.04 * view.scale
        for step in (0.2, 0.45, 0.7, 0.95) if len(points) == 3 else (0.2, 0.5):
            at = points[i] + along * step
            canvas.line([at - across, at + across], person.accent, 0.03 * view.scale)
