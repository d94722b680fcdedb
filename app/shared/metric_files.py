"""Values of metrics in files that all processes of a server share, on a disk that may be full.

prometheus-client maps its files into memory without asking the file system for room: the first write into a page for
which there is none ends the process with SIGBUS. Here room is allocated before the library opens or grows a file.
Without room, new values are kept in the memory of their process.
"""

from __future__ import annotations

import fcntl
import os
import struct
import threading
from pathlib import Path
from typing import IO, Any, Final

import structlog
from prometheus_client import values

from app.shared import logs

MAX_SLOTS: Final = 1024
FIRST_BYTES: Final = 65_536
"""Size of a new file, that of the library."""
MARGIN_BYTES: Final = 16_384
"""Room kept for the next value: more than a value with its labels and its help takes."""
LEAST_FREE_BYTES: Final = 4_194_304

log = logs.get_logger(__name__)


class ProcessFiles:
    """The files of one process.

    A process counts in the files of the lowest slot that no living process holds. With process ids for names, every
    child that ever lived would leave files behind. A lock on the slot's file ends with its process, however that ends.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._slot = -1
        self._lock_file: IO[str] | None = None
        self._shared: Any = None
        self.failure: OSError | None = None
        self.in_memory: set[str] = set()
        """Names of the metrics of which values are in memory."""
        try:
            self._slot, self._lock_file = _take_slot(folder)
        except OSError as error:
            self._fail(error)
        else:
            self._shared = values.MultiProcessValue(lambda: self._slot)  # type: ignore[no-untyped-call]

    def make(self, kind: str, metric: str, *arguments: Any, multiprocess_mode: str = "", **named: Any) -> Any:
        """A value in the files, or in memory while there is no room. The arguments are the library's own."""
        prefix = f"{kind}_{multiprocess_mode}" if kind == "gauge" else kind
        if self._shared is not None and self._reserve(self._folder / f"{prefix}_{self._slot}.db"):
            return self._shared(kind, metric, *arguments, multiprocess_mode=multiprocess_mode, **named)
        self.in_memory.add(metric)
        return values.MutexValue(kind, metric, *arguments, **named)  # type: ignore[no-untyped-call]

    def _reserve(self, path: Path) -> bool:
        """Whether the file has room for one more value, allocated."""
        try:
            if not path.exists() or not path.stat().st_size:
                _allocate_new(path)
            with path.open("r+b") as file:
                size = os.fstat(file.fileno()).st_size
                (used,) = struct.unpack("i", file.read(4))
                # The library doubles a file when a value does not fit. Also fills holes that earlier releases left.
                os.posix_fallocate(file.fileno(), 0, size if size - used >= MARGIN_BYTES else size * 2)
        except OSError as error:
            self._fail(error)
            return False
        return True

    def _fail(self, error: OSError) -> None:
        if self.failure is None:
            self.failure = error
            # During imports logging is not configured yet: `check` logs the failure later.
            if structlog.is_configured():
                _report(self._folder, error)


class SharedValue:
    """A value in the files of the current process: a forked child writes to files of its own."""

    _multiprocess = True

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._arguments = arguments
        self._named = named
        self._owner: ProcessFiles | None = None
        self._value: Any = None
        self._current()

    def inc(self, amount: float) -> None:
        self._current().inc(amount)

    def set(self, value: float, timestamp: float | None = None) -> None:
        self._current().set(value, timestamp=timestamp)

    def get(self) -> float:
        value: float = self._current().get()
        return value

    def set_exemplar(self, exemplar: Any) -> None:
        """Exemplars are not kept across processes."""

    def get_exemplar(self) -> None:
        return None

    def _current(self) -> Any:
        if self._owner is None or self._owner is not _state.files:
            with _state.lock:
                files = _state.current()
                if self._owner is not files:
                    self._value, self._owner = files.make(*self._arguments, **self._named), files
        return self._value


class _MetricFiles:
    """The files of this process. Empty again in a forked child, with a lock that no thread of the parent holds."""

    def __init__(self) -> None:
        self.folder = Path()
        self.is_reported = False
        """Whether this process, or the one that it was forked from, has logged that there is no room."""
        self.reset()

    def reset(self) -> None:
        self.lock = threading.Lock()
        self.files: ProcessFiles | None = None

    def current(self) -> ProcessFiles:
        if self.files is None:
            self.files = ProcessFiles(self.folder)
        return self.files


_state: Final = _MetricFiles()


def use(folder: Path) -> None:
    """Keep all values that are made from now on in files of this folder."""
    _state.folder = folder
    _state.is_reported = False
    values.ValueClass = SharedValue
    os.register_at_fork(after_in_child=_state.reset)


def in_memory() -> frozenset[str]:
    """Names of the metrics with values in the memory of this process alone."""
    return frozenset(_state.files.in_memory) if _state.files else frozenset()


def check() -> None:
    """Log in one line when the folder is full or small. For the start of a server."""
    files = _state.files
    if files is None:
        return
    if files.failure is not None:
        _report(_state.folder, files.failure)
        return
    free = os.statvfs(_state.folder)
    if (free_bytes := free.f_bavail * free.f_frsize) < LEAST_FREE_BYTES:
        log.warning(
            "metrics_folder_small", folder=str(_state.folder), free_bytes=free_bytes, least_bytes=LEAST_FREE_BYTES
        )


def _report(folder: Path, error: OSError) -> None:
    if _state.is_reported:
        return
    _state.is_reported = True
    log.error(
        "metrics_not_shared",
        setting="PROMETHEUS_MULTIPROC_DIR",
        folder=str(folder),
        error=error.strerror or str(error),
        consequence="new series are counted by each process alone",
        remedy="a writable folder with room; in a read-only container mount a tmpfs at /tmp",
    )


def _take_slot(folder: Path) -> tuple[int, IO[str]]:
    folder.mkdir(parents=True, exist_ok=True)
    for slot in range(MAX_SLOTS):
        file = (folder / f"slot-{slot}.lock").open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
        else:
            return slot, file
    raise OSError(f"more than {MAX_SLOTS} processes share the folder")


def _allocate_new(path: Path) -> None:
    """Rename the file after its room is allocated: readers of the folder never see a file without its header."""
    new = path.with_suffix(".new")
    try:
        with new.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, FIRST_BYTES)
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise
