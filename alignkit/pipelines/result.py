"""What a finished run hands back to its caller."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..recordings.scores import closeness
from ..reports import RunSummary


@dataclass(frozen=True, eq=False)
class RunResult:
    """A finished run.

    Attributes
    ----------
    folder : Path
        Where everything was written.
    summary : RunSummary
        Scores and what the report says.
    seconds : float
        How long it took.
    made, found : int
        Stored results that were computed, and that were there already.
    """

    folder: Path
    summary: RunSummary
    seconds: float
    made: int
    found: int

    ranking_columns = ("roi", "metric", "model", "family", "value", "interval", "of_ceiling", "p_corrected")

    @property
    def report(self) -> Path:
        """The page."""
        return self.folder / "report.html"

    def ranking(self) -> list[dict[str, Any]]:
        """Return a row per metric, region and model, the best first."""
        table = self.summary.scores.table
        keep = (table["subject"] == "all") & (table["layer"] == "(chosen)") & (table["fold"] == "all")
        best = table[keep].assign(_closeness=closeness(table[keep]))
        ranked = best.sort_values(["metric", "roi", "_closeness"], ascending=[True, True, False])
        rows = []
        for row in ranked.to_dict(orient="records"):
            has_interval = row["ci_low"] == row["ci_low"]
            rows.append(
                {
                    **{
                        name: row[name]
                        for name in ("roi", "metric", "model", "family", "value", "p_corrected")
                    },
                    "interval": f"[{row['ci_low']:.3f}, {row['ci_high']:.3f}]" if has_interval else "",
                    "of_ceiling": row["normalized"],
                }
            )
        return rows

    def to_text(self) -> str:
        """Return the findings and where things are, for a terminal."""
        lines = [self.summary.title, self.summary.sentence, ""]
        lines += [f"- {finding}" for finding in self.summary.headline]
        lines += [f"! {warning}" for warning in self.summary.warnings]
        reused = f", {self.found} from the store" if self.found else ""
        lines += ["", f"{self.made} results computed{reused}, {self.seconds:.0f} s", f"report: {self.report}"]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Return the same for a machine."""
        return {
            "folder": str(self.folder),
            "report": str(self.report),
            "seconds": round(self.seconds, 1),
            "computed": self.made,
            "from_store": self.found,
            "headline": list(self.summary.headline),
            "warnings": list(self.summary.warnings),
            "ranking": [{name: _or_none(value) for name, value in row.items()} for row in self.ranking()],
        }


def _or_none(value: Any) -> Any:
    return None if isinstance(value, float) and value != value else value
