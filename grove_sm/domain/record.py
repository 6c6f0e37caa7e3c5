"""What all records share: strict, frozen, camelCase on the wire, and our own errors."""

from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import pydantic
from pydantic.alias_generators import to_camel

from grove_sm.domain.errors import ABSENT, ValidationError
from grove_sm.domain.values import Flaw

_RULES: Final = {
    "missing": "is required",
    "extra_forbidden": "is not a field of this record",
    "invalid_key": "must have strings as object keys",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "too_long": "must hold at most {max_length} members",
    "string_type": "must be a string",
    "string_unicode": "must not hold a lone surrogate",
    "string_too_short": "must have at least {min_length} character",
    "string_too_long": "must have at most {max_length} characters",
    "literal_error": "must be one of {expected}",
    "bool_type": "must be true or false",
    "int_type": "must be an integer",
    "int_from_float": "must be an integer",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}


def _explain(error: pydantic.ValidationError) -> ValidationError:
    """Our error for the first rule that pydantic found broken."""
    found = error.errors(include_url=False)[0]
    context: dict[str, Any] = found.get("ctx", {})
    # pydantic marks a broken key of an object by one more step.
    steps = tuple(step for step in found["loc"] if step != "[key]")
    flaw = context.get("error")
    if not isinstance(flaw, Flaw):
        kind = found["type"]
        rule = _RULES[kind].format(**context) if kind in _RULES else found["msg"]
        flaw = Flaw(rule, ABSENT if kind == "missing" else found["input"])
    if found["input"] is None:
        flaw.rule += ", never null"
    return flaw.at(*steps) if steps or flaw.path else flaw.at("document")


class Record(pydantic.BaseModel):
    """A frozen, validated value. Equal to another of its class with the same fields.

    Constructed with keywords under the attribute names; None means absent. Raises ValidationError
    that names the field on the wire, the rule and the value.
    """

    model_config = pydantic.ConfigDict(
        strict=True, frozen=True, extra="forbid", alias_generator=to_camel
    )

    _wire_names: ClassVar[dict[str, str]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls._wire_names = {name: to_camel(name) for name in cls.model_fields}

    # Type checkers derive the constructor's keywords from the fields.
    if not TYPE_CHECKING:

        def __init__(self, **fields: Any) -> None:
            names = self._wire_names
            document = {
                names.get(name, name): list(value) if type(value) is tuple else value
                for name, value in fields.items()
                if value is not None
            }
            try:
                self.__pydantic_validator__.validate_python(document, self_instance=self)
            except pydantic.ValidationError as error:
                raise _explain(error) from None

        # Documents and nested records are validated without passing through this constructor.
        __init__.__pydantic_base_init__ = True

    @classmethod
    def from_document(cls, document: object) -> Self:
        """The record of a JSON object with camelCase keys.

        Raises ValidationError for a missing, unknown, null or malformed field.
        """
        if not isinstance(document, dict):
            raise ValidationError(field="document", rule="must be an object", value=document)
        try:
            return cls.__pydantic_validator__.validate_python(document)  # type: ignore[no-any-return]
        except pydantic.ValidationError as error:
            raise _explain(error) from None

    def to_document(self) -> dict[str, Any]:
        """The record as a new, plain JSON object; absent fields are left out."""
        return self.__pydantic_serializer__.to_python(  # type: ignore[no-any-return]
            self, by_alias=True, exclude_none=True
        )

    def to_json(self) -> str:
        """The record's text at rest: its document as one line of JSON."""
        text: bytes = self.__pydantic_serializer__.to_json(self, by_alias=True, exclude_none=True)
        return text.decode()

    def replace(self, **changes: Any) -> Self:
        """The same record with some fields changed (None: left out), validated anew."""
        return type(self)(**{**self.__dict__, **changes})
