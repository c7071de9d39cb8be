"""The run configuration: YAML in, checked values out, YAML again in the run folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pydantic
import yaml
from pydantic import BaseModel, ConfigDict, Field

from .._core.checks import did_you_mean
from .._core.errors import InputError, MissingDataError
from ..features import Pooling, Precision, Steps
from .options import explain

RUN_CONFIG_FILE = "config.yaml"
AnyConfig = TypeVar("AnyConfig", bound=BaseModel)


class Component(BaseModel):
    """Something picked from a registry by `kind`, with its own options beside it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str = Field(description="Name in the registry; `alignkit list` shows the names.")

    @pydantic.model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value

    @property
    def options(self) -> dict[str, Any]:
        """What was written beside the known keys."""
        return dict(self.model_extra or {})


TwinKind = Literal["untrained", "matched"]
Share = Annotated[float, Field(gt=0, lt=1)]


class ModelComponent(Component):
    """A network, with the layers to use."""

    name: str | None = Field(default=None, description="How the report calls it; by default its kind.")
    layers: list[str | float] | None = Field(
        default=None, description="Names, globs or depths from 0 to 1; by default all that it names."
    )
    checkpoints: Literal["all"] | list[str] | None = Field(
        default=None, description="Of a training: a model for each of them, or for all in the folder."
    )


class ComparisonComponent(Component):
    """A comparison, and the models that take part in it."""

    models: list[str] | None = Field(default=None, description="Names of models; by default all.")


class FeatureOptions(BaseModel):
    """How features are taken from networks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pooling: Pooling = Field(default="flatten", description="How maps and tokens become units.")
    projection: Annotated[int, Field(ge=1)] | Literal["auto"] | dict[str, Share] | None = Field(
        default="auto",
        description="Units after sparse random projection; {eps: .1} keeps distances to 10 %; null: all.",
    )
    steps: Steps = Field(
        default="all", description="Of networks with time: every step side by side, their mean, the last."
    )
    batch_size: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        default=32, description="Images per forward pass."
    )
    precision: Precision = Field(default="float32", description="What networks compute in.")
    stimulus_degrees: float | None = Field(
        default=None, gt=0, description="Width at which images were shown, in degrees of visual angle."
    )
    visual_degrees: float = Field(
        default=8.0, gt=0, description="Visual field of networks that declare none, in degrees."
    )
    device: str = Field(default="auto", description="auto, cpu, cuda or cuda:N.")


class TimingOptions(BaseModel):
    """How timed features become predictors of a continuous recording."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    response: Literal["fir", "spm", "glover"] = Field(
        default="fir", description="Delays with free weights, or a canonical haemodynamic response."
    )
    delays: list[int] = Field(default=[1, 2, 3, 4], min_length=1, description="In samples, for `fir`.")
    derivatives: Literal[0, 1, 2] = Field(
        default=0, description="Of the canonical response: time, dispersion."
    )
    sample_at: Literal["start", "middle"] = Field(default="middle", description="When a sample was taken.")
    detrend_degree: int = Field(default=3, ge=0, description="Of the polynomial taken out of each run.")
    trim_s: tuple[float, float] = Field(default=(0.0, 0.0), description="Seconds cut off each run's ends.")
    gap_s: float | None = Field(
        default=None, ge=0, description="Between training and test part; by default from the autocorrelation."
    )


class WindowsOptions(BaseModel):
    """One comparison after another along the times of a recording."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width_s: float = Field(gt=0, description="Length of a window; its samples are averaged.")
    step_s: float | None = Field(
        default=None, gt=0, description="From one window to the next; by default they touch."
    )
    start_s: float | None = Field(default=None, description="Start of the first; by default the first time.")
    stop_s: float | None = Field(default=None, description="End of the last; by default the last time.")


class InferenceOptions(BaseModel):
    """How sure we are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_bootstrap: int = Field(default=1000, ge=50, description="Draws of the bootstrap.")
    n_permutations: int = Field(default=1000, ge=99, description="Permutations of the null.")
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="Coverage of the intervals.")
    correction: Literal["bh", "by"] = Field(
        default="bh", description="False discovery rate: Benjamini-Hochberg or Benjamini-Yekutieli."
    )


class RunConfig(BaseModel):
    """What is compared with what, and how sure we want to be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field(default="", description="Heading of the report.")
    dataset: Component = Field(description="What was recorded.")
    rois: list[str] | None = Field(default=None, description="Regions to use; by default all.")
    window_s: tuple[float, float] | None = Field(
        default=None, description="Window of time-resolved recordings to average, seconds from onset."
    )
    windows: WindowsOptions | None = Field(
        default=None, description="Windows of time-resolved recordings, a comparison in each."
    )
    models: list[ModelComponent] = Field(default=[], description="Networks.")
    twins: list[TwinKind] = Field(
        default=[], description="Twins to add to every network: untrained, matched in parameters."
    )
    tracks: bool | list[str] = Field(
        default=True,
        description="Timed feature spaces that come with the dataset: all, none, or the named ones.",
    )
    label_models: bool | list[str] = Field(
        default=True, description="Label columns that give category RDMs: all, none, or the named ones."
    )
    comparisons: list[ComparisonComponent] = Field(
        min_length=1, description="How models and data are compared."
    )
    features: FeatureOptions = FeatureOptions()
    timing: TimingOptions = TimingOptions()
    inference: InferenceOptions = InferenceOptions()
    seed: int = Field(default=0, ge=0, description="Everything random follows from it.")
    threads: int | None = Field(default=None, ge=1, description="Threads; by default one per core.")
    strict: bool = Field(default=False, description="Stop where the leakage audit finds something.")

    @pydantic.model_validator(mode="after")
    def _names_are_unique(self) -> RunConfig:
        names = [model.name or model.kind for model in self.models]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"the model name(s) {', '.join(twice)} come twice; give each its own `name`")
        if self.window_s is not None and self.windows is not None:
            raise ValueError("`window_s` averages one window and `windows` goes through many; give one")
        return self


_PARTS: dict[str, type[BaseModel]] = {
    "features": FeatureOptions,
    "timing": TimingOptions,
    "inference": InferenceOptions,
    "windows": WindowsOptions,
}


class _Loader(yaml.SafeLoader):
    """Safe YAML in which a key that comes twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                line = node.start_mark.line + 1
                raise InputError(f"the key {key!r} comes twice in the block that starts in line {line}.")
        return super().construct_mapping(node, deep=deep)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping, without running anything in it."""
    path = Path(path)
    if not path.is_file():
        raise MissingDataError(f"the configuration {path} does not exist.")
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        try:
            content = loader.get_single_data()
        finally:
            loader.dispose()
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no valid YAML: {' '.join(str(error).split())}") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold `key: value` lines, got {type(content).__name__}.")
    return content


def parse_config(content: Mapping[str, Any], *, where: str = "configuration") -> RunConfig:
    """Check a mapping against :class:`RunConfig`; see :func:`parse_as`."""
    return parse_as(RunConfig, content, _PARTS, where=where)


def parse_as(
    model: type[AnyConfig],
    content: Mapping[str, Any],
    parts: Mapping[str, type[BaseModel]],
    *,
    where: str,
) -> AnyConfig:
    """Check a mapping against a model and those of its parts.

    Raises
    ------
    InputError
        One line: where, what was wanted, what came; close matches for an unknown key.
    """
    _refuse_unknown(content, model, where)
    for part, its_model in parts.items():
        if isinstance(content.get(part), Mapping):
            _refuse_unknown(content[part], its_model, f"{where}, {part}")
    try:
        return model.model_validate(dict(content))
    except pydantic.ValidationError as error:
        raise InputError(f"{where}: {explain(error)}.") from error


def load_config(path: str | Path) -> tuple[RunConfig, Path]:
    """Read a configuration, or that of a run folder; return it with the folder its paths start from."""
    path = Path(path)
    if path.is_dir():
        path = path / RUN_CONFIG_FILE
    return parse_config(read_yaml(path), where=str(path)), path.resolve().parent


def dump_config(config: BaseModel) -> str:
    """Return a configuration as YAML, defaults included."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _refuse_unknown(content: Mapping[str, Any], model: type[BaseModel], where: str) -> None:
    for key in content:
        if key not in model.model_fields:
            raise InputError(f"{where}: the key {key!r}, {did_you_mean(str(key), list(model.model_fields))}")
