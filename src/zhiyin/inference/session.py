"""The step graph of a model package behind one call: read one row per sequence, get the next one.

Caches are preallocated, grow in blocks up to the window, and are written as a ring; recurrent state is fed back as
returned. A whole batch moves in lockstep. Nothing here knows what rows mean. onnxruntime is imported when a session is
made, not before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from zhiyin.errors import PackageError

FIRST_SLOTS = 128
MORE_SLOTS = 64  # what a cache grows by: empty slots cost as much to read as full ones
_TYPES = {"tensor(int64)": np.int64, "tensor(float)": np.float32, "tensor(bool)": np.bool_, "tensor(int32)": np.int32}


class Graph(Protocol):
    """What a step session needs of an onnxruntime session (a test may stand in)."""

    def get_inputs(self) -> list[Any]:
        """Inputs with name, shape and type."""

    def get_outputs(self) -> list[Any]:
        """Outputs with name, shape and type."""

    def run(self, output_names: list[str], feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Runs the graph once."""


@dataclass
class Memory:
    """What a batch has read so far: recurrent states (B, …), caches (B, H, slots, D/H), and rows read."""

    states: dict[str, np.ndarray]
    caches: dict[str, np.ndarray]
    count: int
    slots: int

    def save(self) -> Memory:
        """A copy that later steps leave alone (to restore, go on from the copy's own ``save()``)."""
        return Memory(
            {n: a.copy() for n, a in self.states.items()},
            {n: a.copy() for n, a in self.caches.items()},
            self.count,
            self.slots,
        )

    def select(self, keep: np.ndarray) -> Memory:
        """The memory of some sequences of the batch (int indices)."""
        return Memory(
            {n: np.ascontiguousarray(a[keep]) for n, a in self.states.items()},
            {n: np.ascontiguousarray(a[keep]) for n, a in self.caches.items()},
            self.count,
            self.slots,
        )


def open_graph(path: Path) -> Graph:
    """An onnxruntime session of one thread over a graph file (weights beside it)."""
    import onnxruntime  # 0.1 s and 60 MB: only when a model is used

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as e:  # onnxruntime raises its own kinds for damaged graphs
        raise PackageError(
            f"{path.name} cannot be loaded",
            expected="a graph that onnxruntime reads",
            received=f"{type(e).__name__}: {str(e)[:200]}",
        ) from None


class StepSession:
    """Steps a graph. ``window``: cache slots at most (rows a Transformer sees)."""

    def __init__(self, graph: Graph, window: int) -> None:
        self.graph, self.window = graph, window
        inputs = graph.get_inputs()
        self._states = {i.name: i for i in inputs if i.name.startswith("state.")}
        self._caches = {i.name: i for i in inputs if i.name.startswith("cache.")}
        self._names = {i.name for i in inputs}
        self._outputs = ["next", "nats", *(f"new_{n}" for n in (*self._states, *self._caches))]
        missing = set(self._outputs) - {o.name for o in graph.get_outputs()}
        if missing:
            raise PackageError(
                "The step graph lacks outputs",
                expected=", ".join(self._outputs),
                received=f"no {', '.join(sorted(missing))}",
            )

    def start(self, batch: int, rows: int = 0) -> Memory:
        """An empty memory for ``batch`` sequences; ``rows``: how many will be read, if known."""
        slots = min(self.window, max(FIRST_SLOTS, -(-rows // MORE_SLOTS) * MORE_SLOTS))
        states: dict[str, np.ndarray] = {
            n: np.zeros(_shape(i, batch, slots), dtype=_TYPES[i.type]) for n, i in self._states.items()
        }
        caches: dict[str, np.ndarray] = {
            n: np.zeros(_shape(i, batch, slots), dtype=_TYPES[i.type]) for n, i in self._caches.items()
        }
        return Memory(states, caches, 0, slots)

    def look(self, memory: Memory, feed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs the graph for one row per sequence and leaves ``memory`` as it is; outputs by name."""
        if self._caches and memory.count == memory.slots < self.window:
            self._grow(memory)
        inputs = {n: a for n, a in feed.items() if n in self._names}
        inputs |= memory.states
        inputs |= memory.caches
        if "count" in self._names:
            inputs["count"] = np.array(memory.count, dtype=np.int64)
        return dict(zip(self._outputs, self.graph.run(self._outputs, inputs)))

    def commit(self, memory: Memory, found: Mapping[str, np.ndarray]) -> None:
        """Moves ``memory`` on over the row that ``look`` has read."""
        for name in self._states:
            memory.states[name] = found[f"new_{name}"]
        slot = memory.count % memory.slots
        for name, cache in memory.caches.items():
            cache[:, :, slot] = found[f"new_{name}"][:, :, 0]
        memory.count += 1

    def _grow(self, memory: Memory) -> None:
        slots = min(memory.slots + MORE_SLOTS, self.window)
        for name, old in memory.caches.items():
            new = np.zeros((*old.shape[:2], slots, old.shape[3]), dtype=old.dtype)
            new[:, :, : memory.slots] = old
            memory.caches[name] = new
        memory.slots = slots


def _shape(described: Any, batch: int, slots: int) -> list[int]:
    """A state's or cache's shape: the first axis is the batch, a further free axis the cache slots."""
    return [batch if i == 0 else size if isinstance(size, int) else slots for i, size in enumerate(described.shape)]
