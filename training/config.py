"""What a training run is told: a TOML file, checked whole before anything starts.

`digits train … --config FILE --set optimiser.name=sgd` reads it; the run keeps the complete one as `config.toml`.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, cast

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

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
    part: train, validation or test, by the hash of the ids; if not given, all of a source, and of
    synthetic ones what their use says. share: of every
    batch; what is left is divided among the sources that name none. count: of validation samples. Paths are relative
    to `data.root`.
    """

    source: str | None = None
    format: str | None = None
    images: str | None = None
    synthetic: str | None = None
    fonts: str | None = None
    mined: str | None = None
    part: Literal["train", "validation", "test"] | None = None
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
    """batch_size: samples an optimiser step, of all processes together. size: height and width of detector windows."""

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

    pretrained: "imagenet", or a file of weights of the backbone, relative to where the command runs. start: whole
    weights of this project to go on from, a file, or "shipped" for those in the package.
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
    """momentum is SGD's. accumulate: parts a batch is cut into, to save memory. ema: decay of the averaged weights that
    are evaluated and kept, 0 for the last ones. schedule: from a stage's rate down to `floor` times it, by a cosine or
    by `step_factor` at each of `step_at` (shares of the stage), after `warmup` steps. clip_norm: of the gradient, 0 for
    no limit.
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
    """Of the digits' classes: label smoothing; the exponent of focal loss (Lin et al. 2017), 0 for none; and whether
    rare digits weigh more, by the inverse root of how often each is seen."""

    smoothing: Fraction = 0.0
    focal: Annotated[float, Field(ge=0)] = 0.0
    balance: bool = False


class Stage(_Section):
    """A stretch of training: `epochs`, with the peak learning `rate` of the heads.

    features: how many stages of the feature extractor move with them, counted from the heads inwards, a stage a
    resolution; 0 keeps all of them frozen, "all" none. features_rate: their rate over that of the heads; decay: that of
    a stage over that of the next one towards the heads.
    """

    epochs: Count = 1
    rate: Positive
    features: Annotated[int, Field(ge=0)] | Literal["all"] = "all"
    features_rate: Positive = 1.0
    decay: Annotated[float, Field(gt=0, le=1)] = 1.0


class Stop(_Section):
    """metric: named by what evaluation gives, the larger the better; it also says which weights are the best ones.

    patience: epochs without a better one after which training stops; never, if not given.
    """

    metric: str | None = None
    patience: Count | None = None


class Machine(_Section):
    """What may differ between a run and its resumption. device: auto, cpu, cuda, cuda:N or mps. precision: auto is bf16
    where the device computes in it, else fp32. threads: of the trainer. compile: have torch.compile translate the
    network."""

    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    threads: Annotated[int, Field(ge=1, le=MAX_THREADS)] | None = None
    compile: bool = False
    checkpoint_seconds: Positive = 120.0
    log_every: Count = 50


class Config(_Section):
    """A whole run. epoch_steps: optimiser steps an epoch; if not given, until every picture of the largest source has
    come once."""

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
        """A path of the data section, from `data.root`."""
        return Path(self.data.root) / name

    def save(self, path: str | Path) -> None:
        """As TOML that `load_config` reads back."""
        write_text(path, tomli_w.dumps(self.model_dump(mode="json", exclude_none=True)))

    def with_settings(self, settings: Iterable[str]) -> Config:
        """The same, changed as `--set` does."""
        return _build(self.model_dump(mode="json", exclude_none=True), settings, "config")


def load_config(path: str | Path, settings: Iterable[str] = ()) -> Config:
    """The configuration in a TOML file, changed by `settings`, each "key=value".

    A key is dotted, with numbers for places in lists (`data.train.0.share`); a value is TOML, and a bare word a string.
    Raises ConfigError, on one line, for what is missing, misspelt or impossible.
    """
    return _build(read_toml(path), settings, str(path))


def read_toml(path: str | Path) -> dict:
    """What a TOML file holds; ConfigError if it cannot be read."""
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
    """The first thing that is wrong."""
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
    """The keys that are known at a place of the configuration."""
    model: type[BaseModel] = Config
    for step in place:
        if isinstance(step, str) and step in model.model_fields:
            inner = model.model_fields[step].annotation
            model = cast(type[BaseModel], next(iter(getattr(inner, "__args__", (inner,)))))
    return list(model.model_fields)
