"""What lies at a path, how it would be read, and whether its data can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..datasets.quality.inspection import Inspection
    from ..datasets.quality.report import QualityReport


@dataclass(frozen=True, eq=False)
class InspectResult:
    """What a look at a path gave.

    Attributes
    ----------
    inspection : Inspection or None
        What is there; None where a file is broken and only the report says so.
    quality : QualityReport or None
        Of the data, where a report was asked for.
    page : Path or None
        Where the report was written.
    """

    inspection: Inspection | None
    quality: QualityReport | None = None
    page: Path | None = None

    def to_text(self) -> str:
        """Return plain text: what was found wrong, then what is there, ending with the YAML that reads it."""
        parts = []
        if self.quality is not None:
            parts.append(self.quality.to_text() + (f"report: {self.page}\n" if self.page else ""))
        if self.inspection is not None:
            parts.append(self.inspection.to_text())
        return "\n".join(parts).rstrip("\n")

    def to_json(self) -> dict[str, Any]:
        """Return the same facts as values that JSON can hold."""
        made: dict[str, Any] = {} if self.inspection is None else self.inspection.to_json()
        if self.quality is not None:
            made["quality"] = self.quality.to_json()
            made["report"] = None if self.page is None else str(self.page)
        return made


def inspect_path(
    path: str | Path, *, report: str | Path | None = None, subject: str | None = None, command: str = ""
) -> InspectResult:
    """Say what lies at a path, and with `report` look at its data and write a page about them.

    Parameters
    ----------
    path : str or Path
        A BIDS folder, the folder of a public set, a folder of recordings, or one file.
    report : str or Path, optional
        The page's file (``.html``). Without it only names and headers are read.
    subject : str, optional
        The one whose data are looked at; goes with `report`.
    command : str, default=""
        What was typed, for the page.

    Raises
    ------
    MissingDataError
        If there is nothing at that path.
    InputError
        If it holds no data, cannot be read, the page's name is no ``.html``, or there is no such subject. A
        file that is broken is an error without `report`, and a failed check with it.
    """
    from .._core.errors import InputError, MissingDataError
    from ..datasets.quality.assessing import assess_quality
    from ..datasets.quality.describing import describe_path

    path = Path(path)
    if report is None:
        if subject is not None:
            raise InputError(
                "`--subject` chooses whose data are looked at; give it with `--report OUT.html`."
            )
        return InspectResult(describe_path(path))
    page = Path(report)
    if page.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"`--report` is {page.name!r}; a page is wanted, such as quality.html.")
    quality = assess_quality(path, subject=subject)
    try:
        inspection = describe_path(path)
    except MissingDataError:
        raise
    except InputError:
        # The report has it as a failed check.
        inspection = None
    from ..reports.quality_page import write_quality

    return InspectResult(inspection, quality, write_quality(quality, page, command=command))
