"""`nexus+http://` URLs: which server, which zone, and a name that tells no secret."""

import os
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from grove_sm.domain.errors import ValidationError

SCHEMES: Final = ("nexus+http://", "nexus+https://")
KEY_VARIABLE: Final = "NEXUS_API_KEY"
"""The environment variable that holds the key, where the URL has none."""

_RULE: Final = (
    "must look like nexus+http://HOST:PORT/ZONE or nexus+https://HOST:PORT/ZONE, with the key "
    f"behind it as ?key=KEY or in {KEY_VARIABLE}"
)
_ZONE: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,127}")
_ZONE_RULE: Final = (
    "must name a zone of 1 to 128 letters, digits, '.', '_' and '-', beginning with a letter or "
    "digit and without '..'"
)
_KEY: Final = re.compile(r"[!-~]+")
_HIDDEN: Final = "***"


@dataclass(frozen=True)
class NexusUrl:
    """A zone of a Nexus server, as a URL names it.

    Attributes:
        name: the URL without secrets.
        server: the server's own URL, `http://HOST:PORT`.
        zone: what of the server this is about.
        authorities: a file with the certificates to trust in place of the system's, if any.
        key: the bearer key, if there is one. Never shown.
    """

    name: str
    server: str
    zone: str
    authorities: str | None
    key: str | None = field(repr=False)

    @classmethod
    def parse(cls, url: str, *, setting: str) -> "NexusUrl":
        """What a URL says; the key may come from the environment.

        Raises ValidationError, naming the setting and never the key.
        """
        try:
            parts = urlsplit(url)
            place = _place(parts)
            options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)
        except ValueError:
            # Its text may quote a part of the key.
            raise ValidationError(field=setting, rule=_RULE, value=_HIDDEN) from None
        zone = parts.path.removeprefix("/").removesuffix("/")
        if not _ZONE.fullmatch(zone):
            raise ValidationError(field=setting, rule=_ZONE_RULE, value=zone)
        given = dict(options)
        for option in given.keys() - {"key", "ca"}:
            rule = "must have no options but key and ca"
            raise ValidationError(field=setting, rule=rule, value=option)
        key = given.get("key") or os.environ.get(KEY_VARIABLE) or None
        if key is not None and not _KEY.fullmatch(key):
            rule = "must have a key of visible ASCII characters, without spaces"
            raise ValidationError(field=setting, rule=rule, value=_HIDDEN)
        scheme = parts.scheme.removeprefix("nexus+")
        return cls(
            name=f"nexus+{scheme}://{place}/{zone}",
            server=f"{scheme}://{place}",
            zone=zone,
            authorities=given.get("ca") or None,
            key=key,
        )

    def hide(self, text: str) -> str:
        """A text, such as an error's, without the key."""
        return text.replace(self.key, _HIDDEN) if self.key else text


def _place(parts: SplitResult) -> str:
    """Host and port. Raises ValueError for what cannot be either, or for what should not be."""
    if f"{parts.scheme}://" not in SCHEMES or not parts.hostname or parts.fragment:
        raise ValueError
    if "@" in parts.netloc or re.search(r"[\s\x00-\x1f\\]", parts.netloc):
        raise ValueError
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return host if parts.port is None else f"{host}:{parts.port}"
