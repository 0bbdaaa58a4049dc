"""Legs and what they wear: trousers, shorts, skirts, boots, shoes."""

from .canvas import Canvas, shade
from .person import Person
from .pose import Joints
from .shape import ROUND, Tube, View


def draw_leg(canvas: Canvas, person: Person, view: View, body: Joints, leg: int) -> None:
    """Draw a leg with its shoe; 0 is the right one, 1 the left."""
    hip, knee, ankle = view.points(j[leg].tolist() for j in (body.hip, body.knee, body.ankle))
    size = person.girth**0.8 * view.scale
    bare = person.bottom in ("shorts", "skirt") or (person.top == "dress" and person.bottom != "leggings")
    wide = 0.8 if bare else {"jeans": 0.96, "leggings": 0.84, "track": 1.06}.get(person.bottom, 1.0)
    skin, cloth = person.skin, person.bottom_colour
    if view.near(float(body.hip[leg, 0]), 0.0) < -0.03:
        # The far leg lies in the shade of the near one.
        skin, cloth = shade(skin, 0.84), shade(cloth, 0.84)
    _draw_shoe(canvas, person, view, body, leg)
    widths = [0.09 * size * wide, 0.066 * size * wide, (0.04 if bare else 0.048) * size * wide]
    canvas.limb([hip, knee, ankle], widths, skin if bare else cloth)
    if person.boots:
        canvas.limb([knee + (ankle - knee) * 0.5, ankle], [0.056 * size, 0.05 * size], person.shoes)
    if person.bottom == "shorts" and person.top != "dress":
        canvas.limb([hip, hip + (knee - hip) * 0.85], [0.095 * size, 0.086 * size], cloth)
    if person.bottom == "track" and not bare:
        _draw_seam(canvas, person, view, body, leg)


def draw_pelvis(canvas: Canvas, person: Person, view: View, body: Joints) -> None:
    """Draw the upper end of the trousers, or the skirt."""
    hips = (0.146 + 0.016 * person.curve) * person.girth
    if person.bottom == "skirt":
        shape = [(0.62, hips * 0.86, 0.1), (0.54, hips * 1.02, 0.115), (0.34, hips * 1.3, 0.15)]
    else:
        shape = [(0.6, hips * 0.95, 0.1), (0.53, hips, 0.11), (0.485, hips * 0.98, 0.1)]
    rings = [(y * person.height + body.lift, wide, deep * person.girth, 0.0, 0.0) for y, wide, deep in shape]
    tube = Tube(rings, view)
    tube.paint(canvas, person.bottom_colour)
    if person.bottom == "skirt" and person.emblem % 3 == 0:
        tube.paint_patch(canvas, ROUND, (0.8, 0.88), person.accent)
    tube.shade(canvas)


def _draw_seam(canvas: Canvas, person: Person, view: View, body: Joints, leg: int) -> None:
    """The stripe down the outside of tracksuit trousers: seen at the side, a sliver of it from front and back."""
    side = 2 * leg - 1
    if view.near(side, 0.0) > -0.55:
        out = side * 0.056 * person.girth
        places = [(j[leg, 0] + out, j[leg, 1], j[leg, 2]) for j in (body.hip, body.knee, body.ankle)]
        canvas.line(view.points(places), (236, 236, 232), 0.026 * view.scale)


def _draw_shoe(canvas: Canvas, person: Person, view: View, body: Joints, leg: int) -> None:
    heel_place = body.ankle[leg] + (body.ankle[leg] - body.toe[leg]) * 0.28
    heel, toe, ankle = view.points(place.tolist() for place in (heel_place, body.toe[leg], body.ankle[leg]))
    half = 0.042 * view.scale
    drop = complex(0, 0.4 * half)
    canvas.limb([heel + drop, toe + drop], [half, half * 0.82], person.sole)
    canvas.limb([heel - drop * 0.2, toe - drop * 0.2], [half * 0.98, half * 0.8], person.shoes)
    canvas.limb([ankle, heel], [half, half], person.shoes)
