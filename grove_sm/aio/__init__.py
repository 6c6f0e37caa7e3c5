"""A grove for asyncio: the same operations and views, to be awaited."""

from grove_sm.aio.grove import AsyncGrove

__all__ = ["AsyncGrove"]
