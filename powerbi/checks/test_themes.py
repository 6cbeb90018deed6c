"""The themes: readable text, and colours that people with a colour vision deficiency can tell apart."""

import json
import unittest
from pathlib import Path

import schemas

PROJECT = Path(__file__).resolve().parents[1]
# Machado, Oliveira and Fernandes (2009), complete deficiency, on linear light.
DEFICIENCIES = {
    "none": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
}
# WCAG 2.1: 4.5 to 1 for text. Colours of series: a difference in CIELAB that is plainly seen.
TEXT_CONTRAST, COLOR_DIFFERENCE = 4.5, 16


def linear(color):
    """A hex colour as linear light."""
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def luminance(color):
    red, green, blue = linear(color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def lab(light):
    """Linear sRGB to CIELAB under D65."""
    red, green, blue = (min(max(part, 0), 1) for part in light)
    xyz = (
        (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047,
        0.2126 * red + 0.7152 * green + 0.0722 * blue,
        (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883,
    )
    x, y, z = (part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116 for part in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def seen(color, deficiency):
    light = linear(color)
    return lab(
        [sum(weight * part for weight, part in zip(row, light, strict=True)) for row in DEFICIENCIES[deficiency]]
    )


def difference(one, other, deficiency):
    return sum((a - b) ** 2 for a, b in zip(seen(one, deficiency), seen(other, deficiency), strict=True)) ** 0.5


class Themes(unittest.TestCase):
    """The light one, which the report uses, and the dark one beside it."""

    def themes(self):
        light = next((PROJECT / "Tillrace.Report/StaticResources/RegisteredResources").glob("*.json"))
        for path in (light, PROJECT / "themes/TillraceDark.json"):
            yield path.stem, json.loads(path.read_text(encoding="utf-8"))

    def test_text_stands_out(self):
        for name, theme in self.themes():
            for text in ("foreground", "foregroundNeutralSecondary"):
                for ground in ("background", "backgroundLight"):
                    self.assertGreaterEqual(
                        contrast(theme[text], theme[ground]), TEXT_CONTRAST, f"{name}: {text} on {ground}"
                    )

    def test_the_first_colours_differ_for_everybody(self):
        """No chart has more than three series; the first four colours are asked for."""
        for name, theme in self.themes():
            colors = theme["dataColors"][:4]
            for place, one in enumerate(colors):
                for other in colors[place + 1 :]:
                    for deficiency in DEFICIENCIES:
                        self.assertGreater(
                            difference(one, other, deficiency),
                            COLOR_DIFFERENCE,
                            f"{name}: {one} and {other}, {deficiency}",
                        )

    def test_red_and_green_of_equal_light_would_be_told_as_one(self):
        """The measure can fail."""
        self.assertLess(difference("#B07030", "#808030", "deuteranopia"), COLOR_DIFFERENCE)
        self.assertLess(contrast("#999999", "#FFFFFF"), TEXT_CONTRAST)

    def test_both_fit_microsofts_schema(self):
        if schemas.folder() is None:
            self.skipTest("Microsoft's schema of themes is not at hand")
        for name, theme in self.themes():
            self.assertEqual(schemas.theme_errors(theme), [], name)


if __name__ == "__main__":
    unittest.main()
