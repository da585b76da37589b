"""Archives that are the same for the same contents: sorted, dated alike, owned by nobody."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# The first that a zip file can say.
DATE = (1980, 1, 1, 0, 0, 0)
DATE_SECONDS = 315_532_800
# Higher ones take three times as long for a hundredth of the size.
LEVEL = 6


@dataclass(frozen=True)
class Entry:
    name: str
    content: bytes = b""
    executable: bool = False
    link_to: str = ""


def file(name: str, path: Path) -> Entry:
    executable = bool(path.stat().st_mode & stat.S_IXUSR)
    return Entry(name, path.read_bytes(), executable)


def write_zip(path: Path, entries: list[Entry]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        for entry in entries:
            info = zipfile.ZipInfo(entry.name, DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (stat.S_IFREG | (0o755 if entry.executable else 0o644)) << 16
            archive.writestr(info, entry.content)
    return path


def write_tar_gz(path: Path, entries: list[Entry]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        path.open("wb") as out,
        gzip.GzipFile("", "wb", LEVEL, out, mtime=DATE_SECONDS) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for entry in entries:
            info = tarfile.TarInfo(entry.name)
            info.mtime = DATE_SECONDS
            info.mode = 0o755 if entry.executable else 0o644
            info.size = len(entry.content)
            if entry.link_to:
                info.type, info.linkname = tarfile.SYMTYPE, entry.link_to
            archive.addfile(info, io.BytesIO(entry.content))
    return path
