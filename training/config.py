"""The configuration of a training run: a TOML file, validated before anything starts.

`digits train … --config FILE --set optimiser.name=sgd` reads it; the run saves the complete one as `config.toml`.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, cast

import tomli_w
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, model_validator

from digits.core.backend import MAX_THREADS
from digits.core.errors import ConfigError, reason
from digits.core.text import read_text
from digits.datasets.files import write_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Share = Annotated[float, Field(gt=0, le=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataSource(_Section):
    """Where examples come from: `source`, annotated pictures in any format of `digits.datasets`, or `synthetic`.

    source: a file or folder, see `digits data --help`; format and images as `digits data --format --images`.
    synthetic: a folder with `negatives/` and perhaps campus/, icdar2003/ and iiit5k/ (see `training.data`) to draw
    examples from, with the fonts of the folder `fonts` or of the system, and `mined` false alarms as negatives.
    split: train, validation or test, by the hash of the ids; by default all of a source, and of a synthetic one the
    split that it is used for. share: of every batch; the sources without a share divide the rest evenly. count: number
    of validation samples. Paths are relative to `data.root`.
    """

    source: str | None = None
    format: str | None = None
    images: str | None = None
    synthetic: str | None = None
    fonts: str | None = None
    mined: str | None = None
    # "part" in configurations of before
    split: Literal["train", "validation", "test"] | None = Field(None, validation_alias=AliasChoices("split", "part"))
    share: Share | None = None
    count: Count | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> DataSource:
        if (self.source is None) == (self.synthetic is None):
            raise ValueError("needs either source or synthetic")
        stray = ("fonts", "mined") if self.source is not None else ("format", "images")
        for key in stray:
            if getattr(self, key) is not None:
                raise ValueError(f"{key} does not go with {'source' if self.source is not None else 'synthetic'}")
        return self

    @property
    def name(self) -> str:
        return self.source if self.source is not None else f"synthetic {self.synthetic}"


class Data(_Section):
    """batch_size: samples per optimiser step, over all processes. size: height and width of detector windows."""

    root: str = "."
    train: tuple[DataSource, ...] = Field(min_length=1)
    validation: tuple[DataSource, ...] = ()
    batch_size: Count = 8
    size: tuple[Annotated[int, Field(ge=32)], Annotated[int, Field(ge=32)]] = (256, 320)
    workers: Annotated[int, Field(ge=0)] = 1

    @model_validator(mode="after")
    def _shares_fit(self) -> Data:
        if any(source.share is not None for source in self.validation):
            raise ValueError("share is for data.train")
        if any(source.count is not None for source in self.train):
            raise ValueError("count is for data.validation")
        total = sum(source.share or 0 for source in self.train)
        open_ended = any(source.share is None for source in self.train)
        if total > 1 + 1e-6 or (open_ended and total >= 1) or (not open_ended and total < 1 - 1e-6):
            raise ValueError(f"the shares of data.train add up to {total:.4g}, not 1")
        return self

    def shares(self) -> list[float]:
        """The share of every training source; they add up to 1."""
        named = [source.share for source in self.train]
        rest = 1 - sum(share or 0 for share in named)
        return [rest / named.count(None) if share is None else share for share in named]


class Model(_Section):
    """backbone: this project's (detector: efficientnet_lite0; recogniser: residual, lenet) or a model of torchvision.

    pretrained: "imagenet", or a file with weights of the backbone, relative to the working directory. start: weights of
    this project to continue from, a file, or "shipped" for those in the package.
    """

    backbone: str | None = None
    pretrained: str | None = None
    start: str | None = None

    @model_validator(mode="after")
    def _one_start(self) -> Model:
        if self.pretrained is not None and self.start is not None:
            raise ValueError("pretrained and start exclude each other: start brings its own features")
        return self


class Optimiser(_Section):
    """momentum: of SGD. accumulate: micro-batches per batch, to save memory. ema: decay of the averaged weights, which
    are evaluated and kept; 0 for the last weights. schedule: after `warmup` steps, from a stage's rate down to `floor`
    times it by a cosine, or by the factor `step_factor` at each of `step_at` (shares of the stage). clip_norm: of the
    gradient, 0 for no limit.
    """

    name: Literal["adamw", "sgd"] = "adamw"
    momentum: Fraction = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    clip_norm: Annotated[float, Field(ge=0)] = 5.0
    accumulate: Count = 1
    ema: Fraction = 0.999
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    warmup: Annotated[int, Field(ge=0)] = 200
    floor: Annotated[float, Field(ge=0, le=1)] = 0.01
    step_at: tuple[Share, ...] = (0.6, 0.85)
    step_factor: Positive = 0.1


class Loss(_Section):
    """The loss of the digit classes. smoothing: label smoothing. focal: exponent of the focal loss (Lin et al. 2017), 0
    for none. balance: weigh digits by the inverse square root of their frequency."""

    smoothing: Fraction = 0.0
    focal: Annotated[float, Field(ge=0)] = 0.0
    balance: bool = False


class Stage(_Section):
    """A stage of training: `epochs`, with the peak learning `rate` of the heads.

    features: number of backbone stages (one per resolution) that are trained, counted from the heads; 0 freezes all of
    them, "all" none. features_rate: their learning rate relative to that of the heads. decay: the rate of a backbone
    stage relative to that of the next one towards the heads.
    """

    epochs: Count = 1
    rate: Positive
    features: Annotated[int, Field(ge=0)] | Literal["all"] = "all"
    features_rate: Positive = 1.0
    decay: Annotated[float, Field(gt=0, le=1)] = 1.0


class Stop(_Section):
    """metric: a metric of the evaluation, the larger the better; it decides which weights are the best ones.

    patience: epochs without improvement after which training stops; by default it never does.
    """

    metric: str | None = None
    patience: Count | None = None


class Machine(_Section):
    """Settings that may differ when a run is resumed. device: auto, cpu, cuda, cuda:N or mps. precision: auto is bf16
    if the device supports it natively, else fp32. threads: of the trainer. compile: use torch.compile."""

    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    threads: Annotated[int, Field(ge=1, le=MAX_THREADS)] | None = None
    compile: bool = False
    checkpoint_seconds: Positive = 120.0
    log_every: Count = 50


class Config(_Section):
    """A whole run. epoch_steps: optimiser steps per epoch; by default one pass through the largest source."""

    kind: Literal["detector", "recognizer"]
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    epoch_steps: Count | None = None
    model: Model = Model()
    data: Data
    optimiser: Optimiser = Optimiser()
    loss: Loss = Loss()
    stages: tuple[Stage, ...] = Field(min_length=1)
    stop: Stop = Stop()
    machine: Machine = Machine()

    def path(self, name: str) -> Path:
        """A path of the data section, relative to `data.root`."""
        return Path(self.data.root) / name

    def save(self, path: str | Path) -> None:
        """Write it as TOML, for `load_config`."""
        write_text(path, tomli_w.dumps(self.model_dump(mode="json", exclude_none=True)))

    def with_settings(self, settings: Iterable[str]) -> Config:
        """The configuration with changes as by `--set`."""
        return _build(self.model_dump(mode="json", exclude_none=True), settings, "config")


def load_config(path: str | Path, settings: Iterable[str] = ()) -> Config:
    """The configuration in a TOML file, changed by `settings`, each "key=value".

    A key is dotted, with indices of lists (`data.train.0.share`); a value is TOML, or a bare word for a string. Raises
    ConfigError, on one line, for missing, unknown or invalid settings.
    """
    return _build(read_toml(path), settings, str(path))


def read_toml(path: str | Path) -> dict:
    """The content of a TOML file; ConfigError if it cannot be read."""
    try:
        return tomllib.loads(read_text(path))
    except OSError as error:
        raise ConfigError(f"{path}: {reason(error)}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML ({error})") from None


def _build(content: dict, settings: Iterable[str], name: str) -> Config:
    for setting in settings:
        _change(content, setting)
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{name}: {explain(error)}") from None


def _change(content: dict, setting: str) -> None:
    key, equals, text = setting.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {setting}: write it as key=value, for instance optimiser.name=sgd")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    *path, last = key.strip().split(".")
    place: dict | list = content
    try:
        for step in path:
            place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
        if isinstance(place, list):
            place[int(last)] = value
        else:
            place[last] = value
    except (ValueError, IndexError, TypeError, AttributeError):
        raise ConfigError(f"--set {setting}: there is no such place in the configuration") from None


def explain(error: ValidationError) -> str:
    """The first error as a message."""
    first = error.errors()[0]
    # of a union, pydantic names the branch too
    place = ".".join(str(step) for step in first["loc"] if "-" not in str(step) and "[" not in str(step))
    if first["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(first["loc"][-1]), _keys(first["loc"][:-1]), 1)
        return f"unknown key {place}" + (f", did you mean {close[0]}?" if close else "")
    if first["type"] == "missing":
        return f"{place} is missing"
    reason = first["msg"].removeprefix("Value error, ")
    given = "" if isinstance(first["input"], (dict, list)) else f" (it is {first['input']!r})"
    return f"{place}: {reason[0].lower()}{reason[1:]}{given}" if place else reason


def _keys(place: tuple) -> list[str]:
    """The valid keys at a place of the configuration."""
    model: type[BaseModel] = Config
    for step in place:
        if isinstance(step, str) and step in model.model_fields:
            inner = model.model_fields[step].annotation
            model = cast(type[BaseModel], next(iter(getattr(inner, "__args__", (inner,)))))
    return list(model.model_fields)
