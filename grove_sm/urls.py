"""URLs of places, as they may be shown."""

import re
from typing import Final

# Up to the last @, since a password may have been written down as it is.
_PASSWORD: Final = re.compile(r"(://[^:@/?]*):.*@", re.DOTALL)
# A key that was put where a user's name stands elsewhere.
_USER: Final = re.compile(r"(nexus\+https?://)[^/?]*@", re.IGNORECASE)
_SECRET_OPTION: Final = re.compile(
    r"([?&][^=&]*(?:password|secret|token|key)[^=&]*=)[^&]*", re.IGNORECASE
)


def hide_secrets(url: str) -> str:
    """A URL, however malformed, without its password and what else must not be shown."""
    return _SECRET_OPTION.sub(r"\1***", _PASSWORD.sub(r"\1:***@", _USER.sub(r"\1***@", url)))
