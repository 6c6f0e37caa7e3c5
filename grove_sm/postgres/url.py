"""`postgresql://` URLs: what to connect to, which schema, and a name that tells no secret."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Final
from urllib.parse import quote, unquote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo

from grove_sm.domain.errors import ValidationError

DEFAULT_SCHEMA: Final = "grove"

# As libpq reads it: whatever precedes the first @, if no / comes before that, is user and password.
# A second @ is the end of a password that was not encoded.
_FORM: Final = re.compile(
    r"(postgres(?:ql)?://(?:[^@/]*@)?[^@/?]*(?:/[^@?]*)?)(?:\?(.*))?", re.DOTALL
)
_RULE: Final = (
    "must look like postgresql://USER@HOST:PORT/DATABASE?schema=NAME, with every character of a "
    "password that is no letter or digit written as % and two hex digits"
)
_SCHEMA_RULE: Final = "must name a schema of 1 to 63 bytes that does not begin with pg_"
_LONGEST_NAME: Final = 63
_SCHEMA: Final = "schema"
_HIDDEN: Final = "***"

_OPTIONS: Final = {option.keyword.decode(): option for option in Conninfo.get_defaults()}
# libpq marks what must not be shown, such as passwords.
_SECRET: Final = frozenset(key for key, option in _OPTIONS.items() if option.dispchar == b"*")


@dataclass(frozen=True)
class PostgresUrl:
    """A place in a PostgreSQL database, as a URL names it.

    Attributes:
        name: the URL without secrets.
        schema: the schema that holds the tables; what keeps several groves in one database apart.
        options: libpq's connection options. Never shown.
    """

    name: str
    schema: str
    options: Mapping[str, str] = field(repr=False)

    @classmethod
    def parse(cls, url: str, *, setting: str) -> "PostgresUrl":
        """What a URL says. Raises ValidationError, naming the setting and never the password."""
        form = _FORM.fullmatch(url)
        if form is None or "\0" in url:
            raise ValidationError(field=setting, rule=_RULE, value=_HIDDEN)
        query = _query(form[2] or "", setting)
        schema = query.pop(_SCHEMA, DEFAULT_SCHEMA)
        if not 0 < len(schema.encode()) <= _LONGEST_NAME or schema.startswith("pg_"):
            raise ValidationError(field=setting, rule=_SCHEMA_RULE, value=schema)
        try:
            found = conninfo_to_dict(f"{form[1]}?{urlencode(query, quote_via=quote)}")
        except psycopg.ProgrammingError:
            # What libpq says of it may quote a part of the password.
            raise ValidationError(field=setting, rule=_RULE, value=_HIDDEN) from None
        options = {key: str(value) for key, value in found.items() if value is not None}
        if not all(port.isdecimal() for port in _listed(options, "port")):
            raise ValidationError(field=setting, rule=_RULE, value=_HIDDEN)
        return cls(_name(options, schema), schema, options)

    def hide(self, text: str) -> str:
        """A text, such as an error's, without any secret of this URL."""
        for key in _SECRET & self.options.keys():
            if self.options[key]:
                text = text.replace(self.options[key], _HIDDEN)
        return text


def _query(text: str, setting: str) -> dict[str, str]:
    """The options behind the question mark. A plus sign is a plus sign, as libpq has it."""
    query: dict[str, str] = {}
    for part in filter(None, text.split("&")):
        name, _, value = part.partition("=")
        if name != _SCHEMA and name not in _OPTIONS:
            rule = "must have no options but schema and those of libpq"
            raise ValidationError(field=setting, rule=rule, value=name)
        query[name] = unquote(value)
    return query


def _name(options: Mapping[str, str], schema: str) -> str:
    user, hosts = options.get("user", ""), _listed(options, "host")
    ports = _listed(options, "port")
    # The folder of a socket has no place before the database's name.
    is_folder = any("/" in host for host in hosts)
    if len(ports) < len(hosts):
        ports = [*ports, *ports[:1] * (len(hosts) - len(ports))]
    hosts = [f"[{host}]" if ":" in host else host for host in hosts]
    places = [
        f"{host}{':' * bool(port)}{port}"
        for host, port in zip_longest([] if is_folder else hosts, ports, fillvalue="")
    ]
    taken = _SECRET | {"user", "port", "dbname"} | (set() if is_folder else {"host"})
    rest = {key: value for key, value in options.items() if key not in taken}
    query = urlencode({**rest, _SCHEMA: schema}, quote_via=quote, safe="/")
    database = quote(options.get("dbname", ""), safe="")
    return f"postgresql://{quote(user)}{'@' * bool(user)}{','.join(places)}/{database}?{query}"


def _listed(options: Mapping[str, str], key: str) -> list[str]:
    """The items of an option that may hold several, one for each host."""
    return options[key].split(",") if key in options else []
