"""Decoders kept for new recordings: with what they take, and what they tell apart or retrieve from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._core.atomic import atomic_folder
from ..._core.checks import did_you_mean
from ..._core.errors import InputError, MissingDataError
from ...decoders.fitting_in import Expected
from ...decoders.trials import Targets
from .scoring import Parts, Scored

if TYPE_CHECKING:
    from ...decoders import Decoder

DECODERS_FOLDER = "decoders"
FACTS_FILE = "decoding.json"
_TARGETS = "targets.safetensors"
_FORMAT = 1


@dataclass(frozen=True, eq=False)
class KeptDecoder:
    """A fitted decoder as a run folder holds it.

    Attributes
    ----------
    decoder : Decoder
        Fitted.
    name, scope : str
        How the report calls it, and of whom it is (``"all"``: of all subjects).
    expected : mapping of str to Expected
        The recordings it takes, by subject.
    targets : Targets
        Classes, or the embeddings of all stimuli of the run.
    """

    decoder: Decoder
    name: str
    scope: str
    expected: Mapping[str, Expected]
    targets: Targets


def keep_decoders(folder: Path, scored: Sequence[Scored], parts: Sequence[Parts]) -> None:
    """Write every decoder (the first training, no controls) with what its predictions need."""
    with atomic_folder(folder / DECODERS_FOLDER) as working:
        entries = []
        kept = [one for one in scored if not one.shuffled and one.seed == 0]
        for number, one in enumerate(kept):
            part = next(each for each in parts if each.scope == one.scope)
            place = working / f"{number:03d}"
            place.mkdir()
            one.fitted.save(place / "decoder")
            for who, recording in enumerate(part.trials.study.values()):
                (place / _subject_folder(who)).mkdir()
                Expected.of(recording).save(place / _subject_folder(who))
            _save_targets(place, part.trials.targets)
            entries.append(
                {
                    "folder": place.name,
                    "name": one.decoder,
                    "scope": one.scope,
                    "subjects": list(part.trials.study),
                }
            )
        content = {"alignkit": "decoders", "format": _FORMAT, "decoders": entries}
        (working / FACTS_FILE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_decoder(folder: Path, *, name: str | None = None, subject: str | None = None) -> KeptDecoder:
    """Read a decoder of a run folder.

    Parameters
    ----------
    folder : Path
        That `alignkit decode` wrote.
    name : str, optional
        Which decoder; needed where there are several.
    subject : str, optional
        Whose, where each subject has one.

    Raises
    ------
    MissingDataError
        If the folder holds no decoders.
    InputError
        If a file is damaged, several decoders are meant, or none bears the name.
    """
    from ...decoders import load_decoder

    place = folder / DECODERS_FOLDER
    entries = _entries(place)
    names = list(dict.fromkeys(entry["name"] for entry in entries))
    if name is None and len(names) > 1:
        raise InputError(f"{folder} holds several decoders; name one with `--decoder`: {', '.join(names)}.")
    wanted = names[0] if name is None else name
    if wanted not in names:
        raise InputError(f"`--decoder` {wanted!r}, {did_you_mean(wanted, names)}")
    own = [entry for entry in entries if entry["name"] == wanted]
    if len(own) > 1:
        scopes = [entry["scope"] for entry in own]
        if subject not in scopes:
            raise InputError(
                f"every subject has a decoder {wanted!r} of its own; name one of them with `--subject`: "
                f"{', '.join(scopes)}."
            )
        own = [entry for entry in own if entry["scope"] == subject]
    chosen = place / own[0]["folder"]
    return KeptDecoder(
        load_decoder(chosen / "decoder"),
        wanted,
        own[0]["scope"],
        {name: Expected.load(chosen / _subject_folder(who)) for who, name in enumerate(own[0]["subjects"])},
        _load_targets(chosen),
    )


def holds_decoders(folder: Path) -> bool:
    """Return whether a folder is a run of `alignkit decode`."""
    return (folder / DECODERS_FOLDER / FACTS_FILE).is_file()


def _subject_folder(number: int) -> str:
    return f"subject-{number:03d}"


def _entries(place: Path) -> list[dict[str, Any]]:
    path = place / FACTS_FILE
    if not path.is_file():
        raise MissingDataError(
            f"{place.parent} holds no decoders (no {DECODERS_FOLDER}/{FACTS_FILE}); `alignkit decode` writes "
            "them."
        )
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != _FORMAT:
            raise ValueError(f"format {content['format']}, this alignkit reads {_FORMAT}")
        entries = [dict(entry) for entry in content["decoders"]]
        if not entries or any({"folder", "name", "scope", "subjects"} - set(entry) for entry in entries):
            raise ValueError("no decoders")
        texts = [text for e in entries for text in (e["folder"], e["name"], e["scope"], *list(e["subjects"]))]
        if any(not isinstance(text, str) for text in texts):
            raise ValueError("names must be text")
        # No path leaves its folder.
        if any(Path(e["folder"]).name != e["folder"] or e["folder"] in ("", "..") for e in entries):
            raise ValueError("a folder outside")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error}); run `alignkit decode` again.") from error
    return entries


def _save_targets(place: Path, targets: Targets) -> None:
    from safetensors.numpy import save_file

    values = np.zeros((0, 0), dtype=np.float32) if targets.values is None else targets.values
    facts = {
        "names": json.dumps(list(targets.names)),
        "n_variants": str(targets.n_variants),
        "test_variant": str(targets.test_variant),
        "are_classes": str(targets.are_classes),
    }
    save_file({"values": np.ascontiguousarray(values)}, place / _TARGETS, metadata=facts)


def _load_targets(place: Path) -> Targets:
    from safetensors import SafetensorError, safe_open

    path = place / _TARGETS
    if not path.is_file():
        raise MissingDataError(f"{path} is missing; run `alignkit decode` again.")
    try:
        with safe_open(path, framework="numpy") as file:
            facts = file.metadata()
            values = file.get_tensor("values")
        names = tuple(map(str, json.loads(facts["names"])))
        if facts["are_classes"] == "True":
            return Targets(names)
        return Targets(names, values, int(facts["n_variants"]), int(facts["test_variant"]))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}); run `alignkit decode` again.") from error
