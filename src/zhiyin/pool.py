"""Worker processes that read files one at a time under a time limit, and outlive files that kill or hang them.

A task is a list of items; the worker says over a pipe which item it is at. When an item takes too long, or the
process dies at it, the item is struck from the task with a reason and the rest of the task is done by a new process.
Spawn-safe: the function must be importable by name. Knows nothing about scores.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from zhiyin.errors import CorpusError

Tell = Callable[[int], None]
Work = Callable[[Any, dict[int, str], Tell], Any]

_POLL_SECONDS = 0.5


@dataclass
class _Seat:
    process: BaseProcess
    pipe: Connection
    task: int = -1
    item: int = -1
    since: float = 0.0


@dataclass
class _State:
    waiting: list[int]
    struck: dict[int, dict[int, str]] = field(default_factory=dict)
    seats: list[_Seat] = field(default_factory=list)


def run_tasks(
    work: Work, tasks: Sequence[Any], *, workers: int = 1, seconds_per_item: float = 60.0
) -> Iterator[tuple[int, Any]]:
    """Yields (task index, result) of ``work(task, struck, tell)`` as tasks finish, in any order.

    ``struck`` maps item numbers that must not be tried again to the reason; ``work`` calls ``tell(item)`` before each
    item. An exception that ``work`` itself raises is raised here. Processes are stopped when the iterator is closed.
    """
    state = _State(waiting=list(range(len(tasks)))[::-1])
    context = multiprocessing.get_context("spawn")
    done = 0
    try:
        for _ in range(min(workers, len(tasks))):
            state.seats.append(_open_seat(context, work))
        for seat in state.seats:
            _next_task(seat, state, tasks)
        while done < len(tasks):
            for ready in wait([s.pipe for s in state.seats if s.task >= 0], timeout=_POLL_SECONDS):
                seat = next(s for s in state.seats if s.pipe is ready)
                finished = _listen(seat, state, context, work, tasks)
                if finished is not None:
                    done += 1
                    yield finished
            _strike_slow(state, context, work, tasks, seconds_per_item)
    finally:
        for seat in state.seats:
            seat.process.kill()
            seat.process.join()
            seat.pipe.close()


def _open_seat(context: Any, work: Work) -> _Seat:
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, work), daemon=True)
    process.start()
    theirs.close()
    return _Seat(process, ours, since=time.monotonic())


def _serve(pipe: Connection, work: Work) -> None:
    while True:
        try:
            task, struck = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            result: tuple[str, Any] = ("done", work(task, struck, lambda item: pipe.send(("at", item))))
        except Exception as error:
            result = ("error", error)
        pipe.send(result)


def _next_task(seat: _Seat, state: _State, tasks: Sequence[Any]) -> None:
    seat.task, seat.item, seat.since = -1, -1, time.monotonic()
    if state.waiting:
        seat.task = state.waiting.pop()
        seat.pipe.send((tasks[seat.task], state.struck.get(seat.task, {})))


def _listen(seat: _Seat, state: _State, context: Any, work: Work, tasks: Sequence[Any]) -> tuple[int, Any] | None:
    try:
        kind, value = seat.pipe.recv()
    except (EOFError, ConnectionError):
        seat.process.join(timeout=5)
        _strike(seat, state, context, work, tasks, f"the process ended at this file (code {seat.process.exitcode})")
        return None
    if kind == "error":
        raise value
    if kind == "at":
        seat.item, seat.since = value, time.monotonic()
        return None
    finished = (seat.task, value)
    _next_task(seat, state, tasks)
    return finished


def _strike_slow(state: _State, context: Any, work: Work, tasks: Sequence[Any], limit: float) -> None:
    for seat in state.seats:
        if seat.task >= 0 and seat.item >= 0 and time.monotonic() - seat.since > limit:
            _strike(seat, state, context, work, tasks, f"took longer than {limit:g} s")


def _strike(seat: _Seat, state: _State, context: Any, work: Work, tasks: Sequence[Any], reason: str) -> None:
    seat.process.kill()
    seat.process.join()
    seat.pipe.close()
    if seat.item < 0:
        raise CorpusError(
            "A worker process could not start",
            expected="a process that imports zhiyin and takes its task",
            received=reason,
            hint="in a script, call it under: if __name__ == '__main__'",
        )
    state.struck.setdefault(seat.task, {})[seat.item] = reason
    state.waiting.append(seat.task)
    fresh = _open_seat(context, work)
    seat.process, seat.pipe = fresh.process, fresh.pipe
    _next_task(seat, state, tasks)
