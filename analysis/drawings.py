"""Small drawings for a table's cells, as inline SVG. Colours come from the page's style sheet."""

from collections.abc import Sequence
from math import cos, pi, sin

from markupsafe import Markup

from analysis.looks import Look


def arm_class(number: int) -> str:
    """Give the CSS class that carries the colour of the arm with this place in the study."""
    return f"arm-{number}"


def colors(looks: Sequence[Look]) -> Markup:
    """Give the style rules for the arms' colours; on a dark page they are mixed with white."""
    light = "".join(f".{arm_class(i)}{{--arm:{each.color}}}" for i, each in enumerate(looks))
    dark = "".join(f".{arm_class(i)}{{--arm:{_lightened(e.color)}}}" for i, e in enumerate(looks))
    return Markup(f"{light}@media screen and (prefers-color-scheme:dark){{{dark}}}")


def swatch(number: int, look: Look) -> Markup:
    """Draw an arm's dash and marker, as in the legends of the figures."""
    if not look.is_highlighted:
        return Markup(
            '<svg class="swatch {}" viewBox="0 0 30 12" width="30" height="12" aria-hidden="true">'
            '<path class="dash" d="M1 6H29"/></svg>'
        ).format(arm_class(number))
    dash = "" if look.dash == "solid" else " ".join(str(1.6 * length) for length in look.dash[1])
    return Markup(
        '<svg class="swatch {}" viewBox="0 0 30 12" width="30" height="12" aria-hidden="true">'
        '<path class="dash" d="M1 6H29" stroke-dasharray="{}"/><path class="mark" d="{}"/></svg>'
    ).format(arm_class(number), dash, _marker(look.marker))


def interval(number: int, low: float, rate: float, high: float) -> Markup:
    """Draw a rate between 0 and 1 with its interval."""
    left, place, right = (4 + 72 * min(1.0, max(0.0, value)) for value in (low, rate, high))
    return Markup(
        '<svg class="interval {}" viewBox="0 0 80 12" width="80" height="12" aria-hidden="true">'
        '<path class="track" d="M4 6H76"/><path class="bar" d="M{:.1f} 6H{:.1f}"/>'
        '<circle cx="{:.1f}" cy="6" r="3.6"/></svg>'
    ).format(arm_class(number), left, right, place)


def difference(low: float, effect: float, high: float) -> Markup:
    """Draw a difference of two rates, from -1 to 1, with its interval and with no difference."""
    left, place, right = (4 + 36 * (1 + min(1.0, max(-1.0, v))) for v in (low, effect, high))
    return Markup(
        '<svg class="interval plain" viewBox="0 0 80 12" width="80" height="12" aria-hidden="true">'
        '<path class="track" d="M4 6H76M40 1V11"/><path class="bar" d="M{:.1f} 6H{:.1f}"/>'
        '<circle cx="{:.1f}" cy="6" r="3.6"/></svg>'
    ).format(left, right, place)


def heat(solved: int, n: int, group: int) -> Markup:
    """Show solved of n on a ground that is the darker, the more: none, some, half, most, all.

    It leads to the trials of the group with this number.
    """
    share = solved / n
    level = 0 if solved == 0 else 4 if solved == n else 1 + (share > 1 / 3) + (share > 2 / 3)
    link = '<a class="heat heat-{}" href="#g{}">{}/{}</a>'
    return Markup(link).format(level, group, solved, n)


def _marker(name: str) -> str:
    x, y, r = 15, 6, 4.2
    corners = {
        "o": [],
        "s": [45, 135, 225, 315],
        "^": [270, 30, 150],
        "D": [0, 90, 180, 270],
        "v": [90, 210, 330],
        "P": [0, 45, 90, 135, 180, 225, 270, 315],
        "X": [22, 68, 112, 158, 202, 248, 292, 338],
        "h": [30, 90, 150, 210, 270, 330],
    }[name]
    if not corners:
        return f"M{x - 3.6} {y}a3.6 3.6 0 1 0 7.2 0a3.6 3.6 0 1 0 -7.2 0Z"
    radii = [r if name != "P" or i % 2 == 0 else r * 0.5 for i in range(len(corners))]
    points = (
        f"{x + radius * cos(angle * pi / 180):.1f} {y + radius * sin(angle * pi / 180):.1f}"
        for angle, radius in zip(corners, radii, strict=True)
    )
    return f"M{'L'.join(points)}Z"


def _lightened(color: str, share: float = 0.5) -> str:
    parts = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(part + (255 - part) * share):02X}" for part in parts)
