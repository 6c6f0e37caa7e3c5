"""Lists and objects that cannot be changed, equal to the plain ones they were made from."""

from typing import Any, NoReturn, Self, TypeVar

T = TypeVar("T")
V = TypeVar("V")


def _refuse(*_args: object, **_kwargs: object) -> NoReturn:
    raise TypeError("a record's values cannot be changed")


class FrozenList(list[T]):
    """A list without mutators. Its items must be immutable themselves."""

    __slots__ = ()

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = extend = insert = remove = pop = clear = sort = reverse = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenList, (list(self),)


class FrozenDict(dict[str, V]):
    """A dict without mutators. Its values must be immutable themselves."""

    __slots__ = ()

    __setitem__ = __delitem__ = __ior__ = _refuse
    update = setdefault = pop = popitem = clear = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenDict, (dict(self),)
