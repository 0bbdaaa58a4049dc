"""How a person is drawn in a pose and a view: the parts, far ones first."""

import math

import numpy as np

from strongreid.data.drawn.bags import bag_place, draw_bag, draw_straps
from strongreid.data.drawn.canvas import Canvas, Colour, shade
from strongreid.data.drawn.head import Head
from strongreid.data.drawn.person import Person
from strongreid.data.drawn.pose import Joints, Pose, joints
from strongreid.data.drawn.shape import Tube, View
from strongreid.data.drawn.trunk import ROUND, draw_trunk


def draw_figure(canvas: Canvas, person: Person, pose: Pose, view: View) -> None:
    """Draw a person with a shadow on the ground, feet at `view.ground`."""
    body = joints(person, pose)
    head = Head(person, view, pose.nod, body.lift)
    _draw_shadow(canvas, view, body)
    far_arms = [arm for arm in (0, 1) if _arm_near(view, body, arm) < -0.06]
    place = bag_place(person, body)
    bag_behind = view.near(place[0], place[2]) < (0.0 if person.bag == "backpack" else -0.05)

    for arm in far_arms:
        _draw_arm(canvas, person, view, body, arm)
    if person.bag != "none" and bag_behind:
        draw_bag(canvas, person, view, body)
    head.draw_behind(canvas)
    for leg in sorted((0, 1), key=lambda i: view.near(body.knee[i, 0], body.knee[i, 2] + body.ankle[i, 2])):
        _draw_leg(canvas, person, view, body, leg)
    _draw_pelvis(canvas, person, view, body)
    trunk = draw_trunk(canvas, person, view, body.lift)
    draw_straps(canvas, person, trunk)
    near_arms = sorted(set((0, 1)) - set(far_arms), key=lambda arm: _arm_near(view, body, arm))
    raised = pose.gesture == "call"
    for arm in near_arms if not raised else ():
        _draw_arm(canvas, person, view, body, arm)
    if person.bag == "backpack" and not bag_behind:
        draw_bag(canvas, person, view, body)
    head.draw(canvas)
    for arm in near_arms if raised else ():
        _draw_arm(canvas, person, view, body, arm)
    if person.bag not in ("none", "backpack") and not bag_behind:
        draw_bag(canvas, person, view, body)


def _arm_near(view: View, body: Joints, arm: int) -> float:
    return view.near(body.elbow[arm, 0], body.elbow[arm, 2])


def _draw_shadow(canvas: Canvas, view: View, body: Joints) -> None:
    wide = 0.34 + 0.25 * abs(float(body.ankle[0, 2] - body.ankle[1, 2])) * abs(math.sin(view.turn))
    centre = np.array([view.ground[0] - canvas.light * 0.14 * view.scale, view.ground[1] + 0.01 * view.scale])
    flat = 0.07 + 0.3 * math.sin(view.pitch)
    canvas.soft_ellipse(centre, wide * view.scale, wide * flat * view.scale, (12, 14, 24), 0.75)


def _draw_leg(canvas: Canvas, person: Person, view: View, body: Joints, leg: int) -> None:
    hip, knee, ankle, toe = (view.project(j[leg : leg + 1])[0] for j in (body.hip, body.knee, body.ankle, body.toe))
    size = person.girth**0.8 * view.scale
    wide = {"trousers": 1.0, "jeans": 0.96, "leggings": 0.84, "track": 1.06}.get(person.bottom, 0.8)
    bare = person.bottom in ("shorts", "skirt") or (person.top == "dress" and person.bottom != "leggings")
    colour = person.skin if bare else person.bottom_colour
    # The far leg lies in the shade of the near one.
    if view.near(body.hip[leg, 0], 0.0) < -0.03:
        colour = shade(colour, 0.84)
    thigh, middle, end = 0.092 * size * wide, 0.066 * size * wide, (0.047 if not bare else 0.04) * size * wide
    _draw_shoe(canvas, person, view, body, leg)
    canvas.limb(knee, ankle, middle, end, colour)
    canvas.limb(hip, knee, thigh, middle, colour)
    if person.boots:
        shaft = knee + (ankle - knee) * 0.55
        canvas.limb(shaft, ankle, 0.056 * size, 0.05 * size, person.shoes)
    if person.bottom == "shorts":
        canvas.limb(hip, hip + (knee - hip) * 0.86, 0.1 * size, 0.088 * size, person.bottom_colour)
    if person.bottom == "track" and not bare:
        _draw_seam(canvas, person, view, body, leg)


def _draw_seam(canvas: Canvas, person: Person, view: View, body: Joints, leg: int) -> None:
    """The stripe down the outside of tracksuit trousers: seen at the side, a sliver of it from front and back."""
    side = 2 * leg - 1
    out = np.array([side * 0.058 * person.girth, 0.0, 0.0])
    if view.near(side, 0.0) > -0.55:
        points = view.project(np.stack([body.hip[leg], body.knee[leg], body.ankle[leg]]) + out)
        canvas.line(points, (236, 236, 232), 0.026 * view.scale)


def _draw_shoe(canvas: Canvas, person: Person, view: View, body: Joints, leg: int) -> None:
    ankle, toe = body.ankle[leg], body.toe[leg]
    heel = ankle + (ankle - toe) * 0.28 - np.array([0.0, 0.012, 0.0])
    points = view.project(np.stack([heel, toe, ankle]))
    half = 0.042 * view.scale
    drop = np.array([0.0, 0.4 * half])
    canvas.limb(points[0] + drop, points[1] + drop, half, half * 0.82, person.sole)
    canvas.limb(points[0] - drop * 0.4, points[1] - drop * 0.2, half * 0.98, half * 0.8, person.shoes)
    canvas.limb(points[2], points[0], half, half, person.shoes)


def _draw_pelvis(canvas: Canvas, person: Person, view: View, body: Joints) -> None:
    """The upper end of the trousers, or the skirt."""
    tall, girth = person.height, person.girth
    hips = (0.148 + 0.016 * person.curve) * girth
    if person.bottom == "skirt":
        shape = [(0.62, hips * 0.86, 0.1), (0.54, hips * 1.02, 0.115), (0.34, hips * 1.3, 0.15)]
    else:
        shape = [(0.6, hips * 0.95, 0.1), (0.53, hips, 0.11), (0.485, hips * 0.98, 0.1)]
    tube = Tube(np.array([(y * tall + body.lift, a, b * girth, 0.0, 0.0) for y, a, b in shape]), view)
    tube.paint(canvas, person.bottom_colour)
    if person.bottom == "skirt" and person.emblem % 3 == 0:
        tube.paint_patch(canvas, ROUND, (0.8, 0.88), person.accent)
    tube.shade(canvas)


def _draw_arm(canvas: Canvas, person: Person, view: View, body: Joints, arm: int) -> None:
    shoulder, elbow, hand = (view.project(j[arm : arm + 1])[0] for j in (body.shoulder, body.elbow, body.hand))
    size = person.girth**0.7 * view.scale
    loose = 1.16 if person.top in ("hoodie", "coat", "jacket") else 1.0
    sleeve: Colour = person.top_colour
    if person.pattern == "halves" and person.emblem % 2:
        sleeve = person.accent
    bare = person.skin
    if view.near(body.shoulder[arm, 0], 0.0) < -0.06:
        sleeve, bare = shade(sleeve, 0.84), shade(bare, 0.84)
    wide, middle, end = 0.055 * size, 0.045 * size, 0.036 * size
    covered = person.sleeves
    canvas.limb(hand, hand + (hand - elbow) * 0.14, 0.042 * size, 0.036 * size, bare)
    canvas.limb(
        elbow,
        hand,
        middle * (loose if covered == 1 else 0.9),
        end * (loose if covered == 1 else 0.86),
        sleeve if covered == 1 else bare,
    )
    canvas.limb(
        shoulder,
        elbow,
        wide * (loose if covered == 1 else 0.9),
        middle * (loose if covered == 1 else 0.9),
        sleeve if covered == 1 else bare,
    )
    if 0 < covered < 1:
        canvas.limb(shoulder, shoulder + (elbow - shoulder) * covered * 1.7, wide * 1.06, middle * 1.25, sleeve)
    if person.pattern == "stripes" and covered > 0:
        _draw_rings(canvas, person, view, [shoulder, elbow, hand], covered)


def _draw_rings(canvas: Canvas, person: Person, view: View, points: list, covered: float) -> None:  # type: ignore[type-arg]
    for start, end in zip(points, points[1:], strict=False):
        along = end - start
        length = float(np.hypot(*along)) + 1e-6
        across = np.array([-along[1], along[0]]) / length * 0.043 * view.scale
        for step in (0.25, 0.55, 0.85):
            at = start + along * step
            canvas.line(np.stack([at - across, at + across]), person.accent, 0.022 * view.scale)
        if covered < 1:
            return
