"""Pieces of SVG."""

import colorsys
import math
from collections.abc import Iterable
from html import escape
from typing import Final

_LETTER: Final = 6.7


def element(name: str, content: str = "", **attributes: object) -> str:
    """An element; in attributes' names `_` is `-`, but for a last one, which is left out."""
    named = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_text(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{named}>{content}</{name}>" if content else f"<{name}{named}/>"


def text(content: object, x: float, y: float, *, hint: str = "", **attributes: object) -> str:
    """A line of text, with `hint` shown to who points at it."""
    inner = escape(str(content)) + (element("title", escape(hint)) if hint else "")
    return element("text", inner, x=x, y=y, **attributes)


def picture(pieces: Iterable[str], width: float, height: float, label: str) -> str:
    """A whole picture; `label` says what it shows."""
    return element(
        "svg",
        "\n".join(("", *pieces, "")),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_text(width)} {_text(height)}",
        width=width,
        height=height,
        role="img",
        aria_label=label,
    )


def width_of(content: str) -> float:
    """About how wide a line of small text is."""
    return len(content) * _LETTER


def heat(count: int, most: int) -> float:
    """From 0 for once to 1 for the most often, by the logarithm."""
    return math.log(max(count, 1)) / math.log(most) if most > 1 else 1.0


def heat_colour(share: float) -> str:
    """A colour for it that can be told from light and from dark pages."""
    rgb = colorsys.hls_to_rgb(0.57, 0.64 - 0.18 * share, 0.35 + 0.55 * share)
    return "#" + "".join(f"{round(255 * part):02x}" for part in rgb)


def shortened(content: str, length: int) -> str:
    """At most so many letters of a line."""
    return content if len(content) <= length else f"{content[: length - 1]}…"


def _text(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
