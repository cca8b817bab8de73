"""Files of towers: in a folder, in its subfolders and in zips, told by their names.

Names of the providers: ``FLX_<site>_FLUXNET-CH4_{DD,HH}_...csv`` of FLUXNET-CH4, one table of
several sites with ``DD`` or ``HH`` in its name, and ``AMF_<site>_BASE_{HH,HR}_...csv`` of
AmeriFlux. Nothing of a zip is ever written: its members are read where they are.
"""

import contextlib
import dataclasses
import io
import logging
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Literal, TextIO

import pandas as pd

from chamnet.data.sites import parse_table
from chamnet.errors import InputError

logger = logging.getLogger(__name__)

MAX_MEMBER_BYTES = 2**31  # of a table in a zip, unpacked: 30 years of half-hours are 0.6 GB
MAX_DEPTH = 3  # folders below the one that is named
SITE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,31}")  # ids come from data and name files
BASE_COMMENT_LINES = 2
# A RuntimeError is of a member that needs a password.
UNREADABLE = (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, RuntimeError)
_AMERIFLUX = re.compile(r"AMF_([A-Z]{2}-\w{3})_BASE_(?:HH|HR)_[\w.-]+\.csv", re.IGNORECASE)
_SITE = re.compile(r"(?:FLX_)?([A-Z]{2}[-.]\w+?)_.*(?:DD|HH|HR).*\.csv", re.IGNORECASE)
_STEP = re.compile(r"_(DD|HH|HR)(?=[_.])")


@dataclasses.dataclass(frozen=True)
class TowerFile:
    """A table of one site or several, at a path or inside a zip.

    Attributes
    ----------
    path : of the file, or of the zip
    member : name inside the zip; None for a plain file
    site_id : None where a column tells the sites
    step : of its rows, ``day`` or ``half_hour`` (an hour where there are but hours)
    layout : ``fluxnet`` or ``ameriflux``
    """

    path: Path
    member: str | None
    site_id: str | None
    step: Literal["day", "half_hour"]
    layout: Literal["fluxnet", "ameriflux"]

    @property
    def name(self) -> str:
        """Path for messages; a member of a zip stands after an exclamation mark."""
        return f"{self.path}!{self.member}" if self.member else str(self.path)

    @property
    def order(self) -> tuple[str, str, str]:
        """What files are sorted by: site, step, name."""
        return self.site_id or "", self.step, self.name

    def read(self) -> pd.DataFrame:
        """Rows of the table.

        Raises
        ------
        InputError
            If it is no table, or a member of a zip that is damaged or too large.
        """
        n_comments = BASE_COMMENT_LINES if self.layout == "ameriflux" else 0
        return parse_table(self._open, source=self.name, n_comments=n_comments)

    @contextlib.contextmanager
    def _open(self) -> Iterator[TextIO]:
        if self.member is None:
            with self.path.open(encoding="utf-8-sig", newline="") as file:
                yield file
            return
        with _open_zip(self.path) as archive:
            size = archive.getinfo(self.member).file_size  # and no more than that is ever read
            if size > MAX_MEMBER_BYTES:
                raise InputError(
                    f"{self.name}: {size / 2**30:.1f} GiB unpacked, expected a table of at most "
                    f"{MAX_MEMBER_BYTES / 2**30:g} GiB"
                )
            with archive.open(self.member) as data:
                yield io.TextIOWrapper(data, encoding="utf-8-sig", newline="")


def list_tower_files(folder: str) -> list[TowerFile]:
    """Tables of towers below a folder, or in a zip, in the order of sites.

    Raises
    ------
    InputError
        If there is none, a zip cannot be read, or a name in it leads out of it.
    """
    root = Path(folder)
    if not root.exists():
        raise InputError(
            f"{folder}: no such folder, expected one of FLUXNET-CH4 or AmeriFlux BASE files"
        )
    names = list(_names_below(root))
    found = [file for path, member in names if (file := _identify(path, member))]
    if not found:
        raise InputError(
            f"{folder}: no daily file, expected FLX_<site>_FLUXNET-CH4_DD_*.csv (or _HH_, or "
            "AMF_<site>_BASE_HH_*.csv), plain or in zips; it holds "
            f"{sorted(member or path.name for path, member in names)[:5]}"
        )
    logger.info(
        "towers: %d daily and %d half-hourly files in %s, %d others left out",
        sum(file.step == "day" for file in found),
        sum(file.step == "half_hour" for file in found),
        *(folder, len(names) - len(found)),
    )
    return sorted(found, key=lambda file: file.order)


def check_site_id(site_id: str, *, source: str) -> str:
    """Return the id with a dash for a dot, if it may name a place.

    Raises
    ------
    InputError
        If it holds anything else than letters, digits and dashes.
    """
    found = str(site_id).strip().replace(".", "-")
    if not SITE_ID.fullmatch(found):
        raise InputError(
            f"{source}: site {str(site_id)[:40]!r}, expected letters, digits and dashes as US-Uaf"
        )
    return found


def _names_below(root: Path) -> Iterator[tuple[Path, str | None]]:
    """Files below a folder, and members of zips; nothing is unpacked."""
    paths = [root] if root.is_file() else sorted(p for p in root.rglob("*") if p.is_file())
    for path in paths:
        if len(path.relative_to(root).parts) > MAX_DEPTH:
            continue
        if path.suffix.lower() != ".zip":
            yield path, None
            continue
        with _open_zip(path) as archive:
            for info in archive.infolist():
                if not info.is_dir():
                    yield path, _check_member(info.filename, path=path)


def _check_member(member: str, *, path: Path) -> str:
    parts = PurePosixPath(member.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or ":" in member:
        raise InputError(
            f"{path}: holds {member!r}, which leads out of it, expected names inside the zip"
        )
    return member


def _identify(path: Path, member: str | None) -> TowerFile | None:
    name = PurePosixPath(member).name if member else path.name
    step = _STEP.search(name)
    if not name.lower().endswith(".csv") or step is None:
        return None
    base, site = _AMERIFLUX.fullmatch(name), _SITE.fullmatch(name)
    match = base or site
    return TowerFile(
        path=path,
        member=member,
        site_id=check_site_id(match.group(1), source=name) if match else None,
        step="day" if step.group(1) == "DD" else "half_hour",
        layout="ameriflux" if base else "fluxnet",
    )


@contextlib.contextmanager
def _open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except UNREADABLE as error:
        raise InputError(f"{path}: cannot be read as a zip: {error}") from error
