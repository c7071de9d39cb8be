"""The configuration of `alignkit decode`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from ..config import (
    RUN_CONFIG_FILE,
    Component,
    FeatureOptions,
    InferenceOptions,
    ModelComponent,
    Share,
    parse_as,
    read_yaml,
)

Count = Annotated[int, Field(ge=1)]


class TargetOptions(BaseModel):
    """What is decoded: a class of each sample, or the embedding of its stimulus."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str | None = Field(default=None, description="Column of the samples that holds the class.")
    model: ModelComponent | None = Field(
        default=None, description="Network whose features of the stimuli are the embeddings."
    )
    components: Count | None = Field(
        default=64,
        description="Principal components of the training stimuli's features; null: the features themselves.",
    )
    blur: bool = Field(
        default=False, description="Three degrees of blur of every image, for the objective `blur-prior`."
    )

    @pydantic.model_validator(mode="after")
    def _one_of_two(self) -> TargetOptions:
        if (self.label is None) == (self.model is None):
            raise ValueError("give either `label` (classes) or `model` (embeddings of stimuli)")
        if self.blur and self.model is None:
            raise ValueError("`blur` is of images, so that it needs a `model`")
        return self


class SplitOptions(BaseModel):
    """What decoders never see, and what chooses epochs and settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    units: str | None = Field(
        default=None,
        description="Column of the samples whose values stay whole, such as run; by default the stimulus "
        "with its near-duplicates.",
    )
    test: Share | Count = Field(default=0.2, description="Units held out: a share, or how many.")
    validation: Share | Annotated[int, Field(ge=0)] = Field(
        default=0.15, description="Of the units left, those that choose epochs of networks; 0: none."
    )
    folds: Count | Literal["units"] | None = Field(
        default=None,
        description="Hold out every unit once, in so many folds or one by one, instead of `test`.",
    )


class TimesOptions(BaseModel):
    """Decoding along the times of a trial."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    windows: Literal["each", "sliding", "cumulative"] = Field(
        default="each",
        description="Every time on its own, windows that slide, or windows that grow from the first time.",
    )
    width_s: float | None = Field(default=None, gt=0, description="Of a window; of growing ones the first.")
    step_s: float | None = Field(default=None, gt=0, description="From one window to the next.")
    generalise: bool = Field(
        default=False, description="Of classes at every time: train at one time, test at every other."
    )

    @pydantic.model_validator(mode="after")
    def _widths_are_of_windows(self) -> TimesOptions:
        if self.windows == "each" and not (self.width_s is None and self.step_s is None):
            raise ValueError(
                "`width_s` and `step_s` are of windows that slide or grow; say which in `windows`"
            )
        return self


class DecoderComponent(Component):
    """A decoder, with its options beside it."""

    name: str | None = Field(default=None, description="How the report calls it; by default its kind.")
    average: bool = Field(
        default=False, description="Fit to the mean over presentations of a stimulus, not to each of them."
    )


class DecodeConfig(BaseModel):
    """What is decoded from what, by which decoders, and how it is evaluated."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field(default="", description="Heading of the report.")
    dataset: Component = Field(description="What was recorded.")
    roi: str | None = Field(default=None, description="Region to decode from; by default all channels.")
    crop_s: tuple[float, float] | None = Field(
        default=None, description="First and last time of a trial that decoders get, seconds from onset."
    )
    target: TargetOptions = Field(description="What is decoded.")
    decoders: list[DecoderComponent] = Field(min_length=1, description="What decodes.")
    subjects: Literal["single", "joint"] = Field(
        default="single",
        description="A decoder for each subject, or one for all: of linear decoders still a map for each, "
        "unless their own `subjects` is joint.",
    )
    split: SplitOptions = SplitOptions()
    repetitions: list[Count | Literal["all"]] | None = Field(
        default=None,
        min_length=1,
        description="Presentations of a stimulus that are averaged; by default single ones of classes, "
        "and all of an embedding. The last is the headline.",
    )
    gallery: Literal["held-out", "all"] = Field(
        default="held-out", description="Stimuli to retrieve from: those held out, or all."
    )
    times: TimesOptions | None = Field(default=None, description="Decode along time as well.")
    seeds: Count = Field(default=1, description="Trainings of every network, each from its own seed.")
    shuffled: bool = Field(
        default=True, description="Fit each decoder to exchanged targets as well, which must give chance."
    )
    features: FeatureOptions = FeatureOptions()
    inference: InferenceOptions = InferenceOptions()
    device: str = Field(default="auto", description="auto, cpu, cuda or cuda:N.")
    seed: int = Field(default=0, ge=0, description="Everything random follows from it.")
    threads: int | None = Field(default=None, ge=1, description="Threads; by default one per core.")
    strict: bool = Field(default=False, description="Stop where the leakage audit finds something.")

    @pydantic.model_validator(mode="after")
    def _names_are_unique(self) -> DecodeConfig:
        names = [decoder.name or decoder.kind for decoder in self.decoders]
        twice = sorted({name for name in names if names.count(name) > 1})
        if self.features.device not in ("auto", self.device):
            raise ValueError("give `device` at the top, not in `features`: one device serves the whole run")
        if twice:
            raise ValueError(f"the decoder name(s) {', '.join(twice)} come twice; give each its own `name`")
        return self


_PARTS: dict[str, type[BaseModel]] = {
    "target": TargetOptions,
    "split": SplitOptions,
    "times": TimesOptions,
    "features": FeatureOptions,
    "inference": InferenceOptions,
}


def parse_decode_config(content: Mapping[str, Any], *, where: str = "configuration") -> DecodeConfig:
    """Check a mapping against :class:`DecodeConfig`.

    Raises
    ------
    InputError
        One line: where, what was wanted, what came; close matches for an unknown key.
    """
    return parse_as(DecodeConfig, content, _PARTS, where=where)


def load_decode_config(path: str | Path) -> tuple[DecodeConfig, Path]:
    """Read a configuration, or that of a run folder; return it with the folder its paths start from."""
    path = Path(path)
    if path.is_dir():
        path = path / RUN_CONFIG_FILE
    return parse_decode_config(read_yaml(path), where=str(path)), path.resolve().parent
