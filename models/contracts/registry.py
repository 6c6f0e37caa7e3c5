"""How a contract is declared, and where all of them are found."""

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

Function = Callable[..., Any]
F = TypeVar("F", bound=Function)

_PREFIX: Final = "of_"


class Contract(NamedTuple):
    """A contract: the function that states it, and those of the library that it is about.

    One that is `nightly` takes too long for every day.
    """

    function: Function
    about: tuple[Function, ...]
    nightly: bool

    @property
    def name(self) -> str:
        """Its name, with the module that it stands in: `claims.a_target_has_one_holder`."""
        module = self.function.__module__.rpartition(".")[2].removeprefix(_PREFIX)
        return f"{module}.{self.function.__name__}"

    @property
    def says(self) -> str:
        """What it says, in a sentence or two."""
        said = (self.function.__doc__ or "").partition("\n\n")[0]
        return " ".join(said.split())

    @property
    def bounds(self) -> tuple[str, ...]:
        """What it is confirmed for: its preconditions."""
        lines = (self.function.__doc__ or "").splitlines()
        return tuple(
            line.strip().removeprefix("pre: ") for line in lines if line.strip().startswith("pre: ")
        )


_declared: dict[str, Contract] = {}


def contract(*about: Function, nightly: bool = False) -> Callable[[F], F]:
    """Declare a function to be a contract about these functions of the library.

    It returns True, or raises AssertionError that says what is broken. Its docstring says in words
    what holds, and gives its bounds and its postcondition in the form of PEP 316.
    """

    def declare(function: F) -> F:
        declared = Contract(function, about, nightly)
        assert _declared.setdefault(declared.name, declared) is declared, declared.name
        return function

    return declare


def getter(made: object) -> Function:
    """The function that computes a property."""
    assert isinstance(made, property)
    assert made.fget is not None
    return made.fget


def every_contract() -> tuple[Contract, ...]:
    """All contracts, in the order in which they are declared, module by module."""
    package = importlib.import_module("models.contracts")
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.startswith(_PREFIX):
            importlib.import_module(f"models.contracts.{module.name}")
    return tuple(_declared.values())
