"""Many statements at a time, but not all at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

AT_ONCE = 32  # works in flight: a small cluster is busy with them, and still answers others within their time

T = TypeVar("T")


async def together(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All of them, some at a time. When one fails the others are still finished: nothing goes on behind the caller."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(work: Coroutine[Any, Any, T]) -> T:
        async with room:
            return await work

    outcomes = await asyncio.gather(*map(one, works), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return outcomes  # type: ignore[return-value]  # checked just above
