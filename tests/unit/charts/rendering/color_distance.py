"""How different two colours look: CIEDE2000, for the tests of the themes."""

from __future__ import annotations

import math

from app.charts.rendering.canvas.color import Rgba

_WHITE_X, _WHITE_Z = 0.95047, 1.08883
_CUBE_END = (6 / 29) ** 3
_FAR = 25.0**7


def lab_of(color: Rgba) -> tuple[float, float, float]:
    """CIE L*a*b* of an sRGB colour under D65."""
    red, green, blue = (
        part / 255 / 12.92 if part / 255 <= 0.04045 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in color[:3]
    )
    x = (0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / _WHITE_X
    y = 0.2126729 * red + 0.7151522 * green + 0.0721750 * blue
    z = (0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / _WHITE_Z
    fx, fy, fz = (part ** (1 / 3) if part > _CUBE_END else part / (3 * (6 / 29) ** 2) + 4 / 29 for part in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def distance(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    """CIEDE2000 of two L*a*b* colours, by Sharma, Wu and Dalal (2005)."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    mean_chroma7 = ((math.hypot(a1, b1) + math.hypot(a2, b2)) / 2) ** 7
    stretch = 1.5 - math.sqrt(mean_chroma7 / (mean_chroma7 + _FAR)) / 2
    chroma1, chroma2 = math.hypot(a1 * stretch, b1), math.hypot(a2 * stretch, b2)
    hue1, hue2 = (math.degrees(math.atan2(b, a * stretch)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = (hue2 - hue1 + 180) % 360 - 180 if chroma1 * chroma2 else 0.0
    hue = hue1 + turn / 2 if chroma1 * chroma2 else hue1 + hue2
    light, chroma = (l1 + l2) / 2, (chroma1 + chroma2) / 2
    weight = (
        1
        - 0.17 * math.cos(math.radians(hue - 30))
        + 0.24 * math.cos(math.radians(2 * hue))
        + 0.32 * math.cos(math.radians(3 * hue + 6))
        - 0.20 * math.cos(math.radians(4 * hue - 63))
    )
    by_light = (l2 - l1) / (1 + 0.015 * (light - 50) ** 2 / math.sqrt(20 + (light - 50) ** 2))
    by_chroma = (chroma2 - chroma1) / (1 + 0.045 * chroma)
    by_hue = 2 * math.sqrt(chroma1 * chroma2) * math.sin(math.radians(turn / 2)) / (1 + 0.015 * chroma * weight)
    bend = 2 * math.sqrt(chroma**7 / (chroma**7 + _FAR))
    rotation = -bend * math.sin(math.radians(60 * math.exp(-(((hue % 360 - 275) / 25) ** 2))))
    return math.sqrt(by_light**2 + by_chroma**2 + by_hue**2 + rotation * by_chroma * by_hue)
