import re
from pathlib import Path

import pytest

from digits import ConfigError
from digits.training.config import Config, load_config

ROOT = Path(__file__).parents[2]
LEAST = """
kind = "recognizer"
[[data.train]]
source = "crops"
[[stages]]
rate = 0.001
"""


@pytest.fixture
def least(tmp_path):
    path = tmp_path / "least.toml"
    path.write_text(LEAST)
    return path


def test_the_least_is_enough_and_comes_back_whole(least, tmp_path):
    config = load_config(least)
    assert config.optimiser.name == "adamw" and config.data.shares() == [1.0]
    config.save(tmp_path / "whole.toml")
    assert load_config(tmp_path / "whole.toml") == config


@pytest.mark.parametrize(
    ("setting", "place", "value"),
    [
        ("optimiser.name=sgd", "optimiser.name", "sgd"),
        ('optimiser.name="sgd"', "optimiser.name", "sgd"),
        ("stages.0.rate=1e-2", "stages.0.rate", 0.01),
        ("stages.0.features=2", "stages.0.features", 2),
        ("data.train.0.source=other/place.csv", "data.train.0.source", "other/place.csv"),
        ("data.root=../with spaces", "data.root", "../with spaces"),
        ("machine.compile=true", "machine.compile", True),
        ("optimiser.step_at=[0.5]", "optimiser.step_at", (0.5,)),
        ("stop.patience=3", "stop.patience", 3),
    ],
)
def test_set(least, setting, place, value):
    found = load_config(least, [setting])
    for step in place.split("."):
        found = found[int(step)] if step.isdigit() else getattr(found, step)
    assert found == value


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["optimizer.name=sgd"], "unknown key optimizer, did you mean optimiser?"),
        (["optimiser.nmae=sgd"], "unknown key optimiser.nmae, did you mean name?"),
        (["data.train.0.shaer=1"], "unknown key data.train.0.shaer, did you mean share?"),
        (["stages.0.rate=-1"], "stages.0.rate: input should be greater than 0 (it is -1)"),
        (["stages.0.rate=nan"], "stages.0.rate: input should be a finite number"),
        (["optimiser.name=adam"], "optimiser.name: input should be 'adamw' or 'sgd' (it is 'adam')"),
        (["kind=cat"], "kind: input should be 'detector' or 'recognizer'"),
        (["data=3"], "data: "),
        (["data.batch_size=0"], "data.batch_size: input should be greater than or equal to 1 (it is 0)"),
        (["data.train.0.synthetic=x"], "data.train.0: needs either source or synthetic"),
        (["data.train.0.mined=x"], "data.train.0: mined does not go with source"),
        (["data.train.0.share=0.4"], "data: the shares of data.train add up to 0.4, not 1"),
        (["data.train.0.count=4"], "data: count is for data.validation"),
        (["model.start=shipped", "model.pretrained=imagenet"], "model: pretrained and start exclude each other"),
        (["stages.4.rate=1"], "--set stages.4.rate=1: there is no such place"),
        (["stages.rate=1"], "--set stages.rate=1: there is no such place"),
        (["kind.of=1"], "--set kind.of=1: there is no such place"),
        (["seed"], "--set seed: write it as key=value"),
        (["seed=-1"], "seed: input should be greater than or equal to 0"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(least, settings, message):
    with pytest.raises(ConfigError) as told:
        load_config(least, settings)
    assert message in str(told.value) and "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "kind is missing"),
        ("kind = 'detector'\n[[stages]]\nrate = 1.0", "data is missing"),
        (LEAST.replace("rate", "#"), "stages.0.rate is missing"),
        ("kind = ", "not TOML"),
        (b"\xff", "not TOML"),
    ],
)
def test_files_that_are_wrong(tmp_path, text, message):
    path = tmp_path / "wrong.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=re.escape(message)) as told:
        load_config(path)
    assert "wrong.toml" in str(told.value) and "\n" not in str(told.value)


def test_missing_files(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.toml: no such file"):
        load_config(tmp_path / "gone.toml")


def test_part_is_the_older_name_of_split(tmp_path):
    older, newer, both = (tmp_path / f"{name}.toml" for name in ("older", "newer", "both"))
    for path, keys in ((older, "part"), (newer, "split"), (both, "part split")):
        lines = "\n".join(f'{key} = "train"' for key in keys.split())
        path.write_text(LEAST.replace('"crops"', f'"crops"\n{lines}'))
    assert load_config(older) == load_config(newer) and load_config(older).data.train[0].split == "train"
    assert load_config(newer, ["data.train.0.split=test"]).data.train[0].split == "test"
    load_config(older).save(older)
    assert 'split = "train"' in older.read_text() and "part" not in older.read_text()
    with pytest.raises(ConfigError, match=r"unknown key data\.train\.0\.part"):
        load_config(both)


def test_shares_that_are_not_named_divide_what_is_left(least):
    sources = [{"source": "a", "share": 0.4}, {"source": "b"}, {"source": "c"}]
    config = load_config(least).model_dump(exclude_none=True)
    config["data"]["train"] = sources
    assert Config.model_validate(config).data.shares() == pytest.approx([0.4, 0.3, 0.3])


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.toml")), ids=lambda path: path.stem)
def test_ready_recipes(path):
    if path.stem == "space":
        from digits.training.search import load_space

        assert load_space(path)
        return
    assert load_config(path).data.root == "data"
