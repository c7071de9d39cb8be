"""Decoders from the store: fitted once, found again, and taken up where a run was cut short."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..._core.hashing import digest_json
from ...decoders.trials import Trials
from ..plan import Plan
from ..store import Store
from .building import NETWORK, build_decoder
from .config import DecoderComponent

if TYPE_CHECKING:
    from ...decoders import Decoder

DECODER_VERSION = 1
DECODER_FOLDER = "decoder"


def fitted_decoder(
    component: DecoderComponent,
    training: Trials,
    validation: Trials | None,
    *,
    seed: int,
    plan: Plan,
    store: Store,
) -> Decoder:
    """Fit a decoder, or find it in the store.

    Parameters
    ----------
    component : DecoderComponent
        Resolved.
    training, validation : Trials
        Parts; never what is held out.
    seed : int
        Of the decoder.
    plan : Plan
        Device and threads.
    store : Store
        Keeps it; the training of a network that was cut short goes on after its last epoch.

    Returns
    -------
    decoder : Decoder
        Read from the store, so that a run that finds it and one that fits it decode the same bits.
    """
    from ...decoders import load_decoder

    def make(folder: Path) -> None:
        decoder = build_decoder(component, seed=seed, device=plan.device, folder=folder)
        decoder.fit(training, validation=validation)
        decoder.save(folder / DECODER_FOLDER)

    parts = [training.digest, None if validation is None else validation.digest]
    folder = store.get(
        "decoder",
        version=DECODER_VERSION,
        parameters={
            "decoder": component.model_dump(exclude={"name"}),
            "seed": seed,
            "plan": plan.key(),
        },
        inputs={"parts": digest_json(parts)},
        make=make,
        resumable=component.kind == NETWORK,
    )
    return load_decoder(folder / DECODER_FOLDER)
