"""Images in an S3 bucket, for services of several hosts: the same promises as on disk, kept by the bucket.

The client reads its credentials, region and endpoint from the usual AWS_ variables. Loaded by name, see `stores`.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from app.media.store import DayFolder, Report, StoredFile, check_path, check_size, day_folder

# Without TLS only where an operator names such an endpoint: Amazon's own have it.
_CLIENT: Final = {"timeout": "10s", "connect_timeout": "2s", "allow_http": True}
_PAGE_SIZE: Final = 1_000


class S3Media:
    """Keeps files below the prefix of an `s3://bucket/prefix` URL. A put is whole or not at all, and durable.

    Raises OSError when the bucket refuses or does not answer.
    """

    def __init__(self, url: str, *, max_bytes: int) -> None:
        self._bucket = S3Store.from_url(url, client_options=_CLIENT)  # type: ignore[arg-type]
        self._max_bytes = max_bytes

    def write(self, path: str, data: bytes) -> None:
        check_path(path)
        check_size(data, self._max_bytes)
        with _errors_as_os_error():
            obstore.put(self._bucket, path, data)

    def read(self, path: str) -> bytes | None:
        check_path(path)
        with suppress(FileNotFoundError), _errors_as_os_error():
            return bytes(obstore.get(self._bucket, path).bytes())
        return None

    def exists(self, path: str) -> bool:
        return self._size_of(path) is not None

    def remove(self, path: str) -> int | None:
        size = self._size_of(path)
        if size is not None:
            with _errors_as_os_error():
                obstore.delete(self._bucket, path)
        return size

    def days(self) -> Iterator[DayFolder]:
        paths = [""]
        for _ in ("kind", "year", "month", "day"):
            paths = [inner for path in paths for inner in self._folders(path)]
        days = [day for path in paths if (day := day_folder(path)) is not None]
        yield from sorted(days, key=lambda folder: (folder.day, folder.prefix))

    def files(self, folder: DayFolder) -> Iterator[StoredFile]:
        with _errors_as_os_error():
            for page in obstore.list(self._bucket, prefix=f"{folder.prefix}/", chunk_size=_PAGE_SIZE):
                for item in page:
                    yield StoredFile(item["path"], item["size"], item["last_modified"].timestamp())

    def size(self, folder: DayFolder) -> int:
        """Lists the day: one request for each thousand files."""
        return sum(file.bytes for file in self.files(folder))

    def drop(self, folder: DayFolder) -> Report:
        files = list(self.files(folder))
        with _errors_as_os_error():
            obstore.delete(self._bucket, [file.path for file in files])
        return Report(len(files), sum(file.bytes for file in files))

    def drop_temporaries(self, folder: DayFolder, *, older_than: float) -> Report:  # noqa: ARG002 - as every store
        """A put that was cut off left nothing."""
        return Report()

    def _size_of(self, path: str) -> int | None:
        check_path(path)
        with suppress(FileNotFoundError), _errors_as_os_error():
            return obstore.head(self._bucket, path)["size"]
        return None

    def _folders(self, path: str) -> list[str]:
        with _errors_as_os_error():
            listing = obstore.list_with_delimiter(self._bucket, f"{path}/" if path else None)
        return [str(prefix).rstrip("/") for prefix in listing["common_prefixes"]]


@contextmanager
def _errors_as_os_error() -> Iterator[None]:
    """Turn the client's errors into OSError, as a disk raises. Its NotFoundError is a FileNotFoundError already."""
    try:
        yield
    except FileNotFoundError:
        raise
    except BaseError as error:
        first, *_ = str(error).splitlines()
        raise OSError(errno.EIO, first) from error
