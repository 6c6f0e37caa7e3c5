"""Methods that are awaited, made of those that are called."""

from collections.abc import Callable, Coroutine
from functools import partial, update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from grove_sm.aio.running import Runner

P = ParamSpec("P")
R = TypeVar("R")
T_co = TypeVar("T_co", covariant=True)


class Twin(Generic[T_co]):
    """What has the methods of an object, to be awaited.

    Args:
        original: the object.
        runner: runs its methods.
    """

    def __init__(self, original: T_co, runner: Runner) -> None:
        self._original = original
        self._runner = runner


def awaited(
    method: Callable[Concatenate[T_co, P], R], *, at_length: bool = False
) -> Callable[Concatenate[Twin[T_co], P], Coroutine[Any, Any, R]]:
    """The method of a twin that awaits one of its original's, which may take its time."""

    async def call(self: Twin[T_co], /, *args: P.args, **kwargs: P.kwargs) -> R:
        run = self._runner.run_at_length if at_length else self._runner.run
        return await run(partial(method, self._original, *args, **kwargs))

    update_wrapper(call, method)
    return call
