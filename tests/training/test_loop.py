import os
import signal

import pytest
import torch
from torch import nn
from toy import LineTask, history, make_config

from digits import ConfigError, Diverged, TrainingError, WeightsError
from digits.training.batches import Batches, move
from digits.training.checkpoints import BEST, LAST, NEXT, PREVIOUS
from digits.training.config import load_config
from digits.training.optimiser import moving_average
from digits.training.run import train
from digits.training.signals import Interrupted


def go(out, config=None, task=LineTask, **options):
    return train(task, config or make_config(), out, quiet=True, **options)


def weights(path):
    from digits.nn.weights import load_weights

    return load_weights(path, "recognizer")[1]


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


class Killed(BaseException):
    pass


def dying(after, **options):
    """A task whose loss kills the run at its call number `after`."""

    class Dying(LineTask):
        def losses(self, batch):
            if len(self.seen) == after:
                raise Killed
            return super().losses(batch)

    return lambda config, quiet: Dying(config, quiet, **options)


def test_the_loss_falls(tmp_path):
    go(tmp_path / "run", make_config(stages=[{"epochs": 20, "rate": 0.05}]), lambda c, quiet: LineTask(c, dropout=0.0))
    losses = [loss for (loss,) in history(tmp_path / "run", "square")]
    assert sum(losses[-10:]) < 0.25 * sum(losses[:10])


@pytest.mark.parametrize("kills", [[1], [7, 9], [29, 1, 3], [10, 10, 10]])
def test_interrupted_and_resumed_is_as_if_it_had_not_been(tmp_path, kills):
    stages = [{"epochs": 1, "rate": 0.1, "features": 1}, {"epochs": 2, "rate": 0.02}]
    config = make_config(optimiser={"accumulate": 2}, stages=stages)
    whole = go(tmp_path / "whole", config)
    for i, after in enumerate(kills):
        with pytest.raises(Killed):
            go(tmp_path / "parts", config, dying(after), resume=i > 0)
    parts = go(tmp_path / "parts", config, resume=True)
    assert history(tmp_path / "parts") == history(tmp_path / "whole")
    assert len(history(tmp_path / "whole", "square")) == 30
    assert same(weights(parts), weights(whole))


def test_rare_checkpoints_lose_no_more_than_what_came_after(tmp_path):
    """Killed long after the last checkpoint, what had been logged since is dropped, and comes again."""
    config = make_config(machine={"checkpoint_seconds": 1e9, "log_every": 7})
    whole = go(tmp_path / "whole", config)
    with pytest.raises(Killed):
        go(tmp_path / "parts", config, dying(28))
    assert torch.load(tmp_path / "parts" / LAST, weights_only=True)["step"] == 20
    assert same(weights(go(tmp_path / "parts", config, resume=True)), weights(whole))
    assert history(tmp_path / "parts") == history(tmp_path / "whole")


def damage(path):
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 300] = bytes(b ^ 0xFF for b in content[middle : middle + 300])
    path.write_bytes(content)


@pytest.mark.parametrize("spoil", [damage, lambda path: path.write_bytes(path.read_bytes()[:700])])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path, capsys, spoil):
    whole = go(tmp_path / "whole")
    with pytest.raises(Killed):
        go(tmp_path / "run", task=dying(17))
    spoil(tmp_path / "run" / LAST)
    resumed = train(LineTask, make_config(), tmp_path / "run", resume=True)
    said = capsys.readouterr().err
    assert f"{LAST}: damaged; going on from the one before, of step 16" in said
    assert same(weights(resumed), weights(whole)) and history(tmp_path / "run") == history(tmp_path / "whole")


def test_all_checkpoints_damaged_is_said(tmp_path):
    with pytest.raises(Killed):
        go(tmp_path / "run", task=dying(17))
    for name in (LAST, PREVIOUS):
        damage(tmp_path / "run" / name)
    with pytest.raises(WeightsError, match="there is no intact checkpoint"):
        go(tmp_path / "run", resume=True)


@pytest.mark.parametrize("left", [(NEXT, LAST, PREVIOUS), (NEXT, PREVIOUS), (NEXT,), (LAST,), (PREVIOUS,)])
def test_a_kill_between_any_two_files(tmp_path, left):
    """Whatever a kill leaves of the three, as long as one is whole, the run goes on."""
    whole = go(tmp_path / "whole")
    with pytest.raises(Killed):
        go(tmp_path / "run", task=dying(17))
    (tmp_path / "run" / NEXT).write_bytes((tmp_path / "run" / LAST).read_bytes())
    for name in {NEXT, LAST, PREVIOUS} - set(left):
        (tmp_path / "run" / name).unlink()
    if len(left) > 1:
        damage(tmp_path / "run" / left[0])
    assert same(weights(go(tmp_path / "run", resume=True)), weights(whole))
    assert history(tmp_path / "run") == history(tmp_path / "whole")


def test_killed_before_its_first_checkpoint_it_begins_again(tmp_path):
    whole = go(tmp_path / "whole")
    with pytest.raises(Killed):
        go(tmp_path / "run", task=dying(0))
    assert same(weights(go(tmp_path / "run", resume=True)), weights(whole))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_with_all_saved(tmp_path, number):
    class Signalled(LineTask):
        def losses(self, batch):
            if len(self.seen) == 12:
                os.kill(os.getpid(), number)
            return super().losses(batch)

    config = make_config(machine={"checkpoint_seconds": 1e9})
    with pytest.raises(Interrupted, match="stopped at step 13 of 40, all saved; go on with --resume"):
        go(tmp_path / "run", config, Signalled)
    assert signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler)
    resumed = go(tmp_path / "run", config, resume=True)
    assert same(weights(resumed), weights(go(tmp_path / "whole", config)))


def test_a_finished_run_stays_as_it_is(tmp_path):
    path = go(tmp_path / "run")
    before = path.read_bytes()
    assert go(tmp_path / "run", task=dying(0), resume=True) == path and path.read_bytes() == before
    with pytest.raises(TrainingError, match="holds a run already; go on with it with --resume"):
        go(tmp_path / "run")


def test_another_configuration_is_not_resumed_but_another_machine_is(tmp_path):
    with pytest.raises(Killed):
        go(tmp_path / "run", task=dying(12))
    with pytest.raises(ConfigError, match=r"begun with stages\.0\.rate 0\.05, not 0\.1"):
        go(tmp_path / "run", make_config(stages=[{"epochs": 4, "rate": 0.1}]), resume=True)
    go(tmp_path / "run", make_config(machine={"log_every": 3}, data={"workers": 1}), resume=True)


def test_resuming_what_never_was(tmp_path):
    with pytest.raises(TrainingError, match=r"no run to resume"):
        go(tmp_path, resume=True)
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match="a file, where the run's folder should be"):
        go(tmp_path / "file")


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    with pytest.raises(Killed):
        go(tmp_path / "run", task=dying(12))

    class Wider(LineTask):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            self.model.append(nn.Linear(1, 1))

    with pytest.raises(WeightsError, match="of another network"):
        go(tmp_path / "run", task=Wider, resume=True)


@pytest.mark.parametrize(("workers", "accumulate"), [(0, 1), (2, 1), (0, 4)])
def test_workers_and_accumulation_change_nothing(tmp_path, workers, accumulate):
    """Without batch statistics and dropout, a batch in four parts gives the gradient of the whole."""

    def plain(config, quiet):
        task = LineTask(config, dropout=0.0)
        task.model[0][1] = nn.Identity()
        return task

    results = []
    for name, options in {"a": (0, 1), "b": (workers, accumulate)}.items():
        changes = {"data": {"workers": options[0]}, "optimiser": {"accumulate": options[1]}}
        results.append(weights(go(tmp_path / name, make_config(**changes), plain)))
    for key, value in results[0].items():
        assert torch.allclose(value, results[1][key], atol=2e-3), key
    a, b = (history(tmp_path / name, "square") for name in "ab")
    assert [v for (v,) in a] == pytest.approx([v for (v,) in b], abs=1e-5)


def test_frozen_stages_do_not_move_nor_do_their_statistics(tmp_path):
    """First the heads alone, then the last stage with them; the first stage never."""
    torch.manual_seed(1)
    begin = LineTask(make_config()).model.state_dict()
    stages = [{"rate": 0.1, "features": 0}, {"rate": 0.1, "features": 1}, {"rate": 0.1}]
    at_end = []
    tasks = []

    def make(config, quiet):
        tasks.append(LineTask(config))
        return tasks[-1]

    def note(step, _):
        at_end.append({key: value.clone() for key, value in tasks[-1].model.state_dict().items()})

    go(tmp_path / "run", make_config(stages=stages, seed=1), make, watch=note)

    def moved(one, other):
        return {key.split(".")[0] for key in one if not torch.equal(one[key], other[key])}

    assert moved(begin, at_end[0]) == {"2"}
    assert moved(at_end[0], at_end[1]) == {"1", "2"}
    assert moved(at_end[1], at_end[2]) == {"0", "1", "2"}
    statistics = "0.1.running_mean"
    assert torch.equal(begin[statistics], at_end[1][statistics])
    assert not torch.equal(begin[statistics], at_end[2][statistics])


def test_the_best_weights_are_kept_and_patience_ends_a_run(tmp_path):
    """Nearness, the larger the better, is best at the very beginning: learning makes it worse."""
    config = make_config(
        stop={"metric": "nearness", "patience": 2}, stages=[{"epochs": 30, "rate": 0.05}], optimiser={"ema": 0.5}
    )
    path = go(tmp_path / "run", config)
    measured = [value for (value,) in history(tmp_path / "run", "nearness")]
    assert len(measured) < 30 and max(measured) == measured[-3]
    assert torch.load(tmp_path / "run" / BEST, weights_only=True)["step"] == 10 * (len(measured) - 2)
    model = LineTask(config).model.eval()
    model.load_state_dict(weights(path))
    x, y, _ = zip(*[LineTask(config).validation[i] for i in range(30)], strict=True)
    error = (model(torch.stack(x)) - torch.stack(y)).abs().mean().item()
    assert error == pytest.approx(measured[-3], rel=0.02)  # half precision


def test_a_checkpoint_with_the_older_name_of_a_counter_is_resumed(tmp_path):
    """It called `epochs_since_best` "waited"; the run is killed while that is 1, where patience ends at 2."""
    config = make_config(
        stop={"metric": "nearness", "patience": 2}, stages=[{"epochs": 30, "rate": 0.05}], optimiser={"ema": 0.5}
    )
    whole = go(tmp_path / "whole", config)
    with pytest.raises(Killed):
        go(tmp_path / "killed", config, dying(len(history(tmp_path / "whole", "square")) - 5))
    for name in (LAST, PREVIOUS):
        state = torch.load(tmp_path / "killed" / name, weights_only=True)
        assert state["epochs_since_best"] == 1
        state["waited"] = state.pop("epochs_since_best")
        torch.save(state, tmp_path / "killed" / name)
    assert same(weights(go(tmp_path / "killed", config, resume=True)), weights(whole))
    assert history(tmp_path / "killed") == history(tmp_path / "whole")


def test_a_run_whose_configuration_has_the_older_name_of_a_split_is_resumed(tmp_path):
    config = make_config(data={"train": [{"source": "line", "split": "train"}]})
    whole = go(tmp_path / "whole", config)
    with pytest.raises(Killed):
        go(tmp_path / "killed", config, dying(25))
    path = tmp_path / "killed" / "config.toml"
    path.write_text(path.read_text().replace("split = ", "part = "))
    assert 'part = "train"' in path.read_text()
    assert same(weights(go(tmp_path / "killed", load_config(path), resume=True)), weights(whole))


def test_a_loss_that_is_not_a_number_stops_the_run_and_names_the_batch(tmp_path):
    config = make_config(optimiser={"accumulate": 2})
    with pytest.raises(TrainingError) as told:
        go(tmp_path / "run", config, lambda config, quiet: LineTask(config, broken=5 * 16 + 3))
    assert "step 6: the loss is not finite on point-8" in str(told.value) and "\n" not in str(told.value)
    assert "the last checkpoint is intact" in str(told.value)
    assert torch.load(tmp_path / "run" / LAST, weights_only=True)["step"] == 5


def test_a_gradient_that_is_not_a_number_stops_it_before_the_weights_are_lost(tmp_path):
    """The square root at zero: a finite loss, an infinite slope."""

    class Steep(LineTask):
        def losses(self, batch):
            losses = super().losses(batch)
            if len(self.seen) == 4:
                losses["square"] = sum((0 * p).abs().sum().sqrt() for p in self.model.parameters())
            return losses

    with pytest.raises(Diverged, match=r"step 4: the gradient is not finite on point-48, .* and 8 more; the last"):
        go(tmp_path / "run", task=Steep)
    state = torch.load(tmp_path / "run" / LAST, weights_only=True)
    assert state["step"] == 3 and all(value.isfinite().all() for value in state["model"].values())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epoch_steps": None}, "epoch_steps must be set"),
        ({"optimiser": {"accumulate": 3}}, r"batch_size 16 cannot be cut into 3 equal parts"),
        ({"stop": {"metric": "beauty"}}, r"stop\.metric beauty: there are closeness, nearness"),
        ({"stop": {"patience": 1}, "data": {"validation": []}}, r"stop needs data\.validation"),
        ({"machine": {"precision": "fp16"}}, "fp16 needs a GPU"),
        ({"stages": [{"rate": 1.0, "features": 3}]}, "features 3, but this backbone has 2 stages"),
    ],
)
def test_what_cannot_be_trained_is_said_before_it_begins(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        go(tmp_path / "run", make_config(**changes))
    assert not (tmp_path / "run").exists()


def test_a_full_disk_is_said_before_it_begins(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 3_000_000}))
    with pytest.raises(TrainingError, match="20 MB are needed for checkpoints, 3 MB are free"):
        go(tmp_path / "run")


def test_a_disk_that_fills_up_loses_nothing(tmp_path, monkeypatch):
    whole = go(tmp_path / "whole")
    real, written = torch.save, []

    def full(state, file):
        written.append(file)
        if len(written) > 9:
            file.write(b"half of it")
            raise OSError(28, "No space left on device")
        real(state, file)

    monkeypatch.setattr("torch.save", full)
    with pytest.raises(TrainingError, match=r"cannot be written \(no space left on device\); make room, then go on"):
        go(tmp_path / "run")
    monkeypatch.setattr("torch.save", real)
    assert not list((tmp_path / "run").glob("*.partial"))
    assert same(weights(go(tmp_path / "run", resume=True)), weights(whole))


@pytest.mark.parametrize("processes", [1, 2, 4])
@pytest.mark.parametrize("accumulate", [1, 3])
def test_every_process_and_part_has_its_own_samples(processes, accumulate):
    """Whatever the number of processes and parts, step k is samples 24 k to 24 k + 23."""
    steps = {3: [], 4: []}
    for rank in range(processes):
        for i, batch in enumerate(Batches(3, 5, 24, accumulate, rank, processes)):
            steps[3 + i // accumulate] += batch
    assert {step: sorted(indices) for step, indices in steps.items()} == {
        3: list(range(72, 96)),
        4: list(range(96, 120)),
    }


def test_the_average_remembers_less_while_it_is_young():
    values = [torch.zeros(1)]
    moving_average(0.9)(values, [torch.ones(1)], 0)
    assert values[0].item() == pytest.approx(0.9)
    values = [torch.zeros(1)]
    moving_average(0.9)(values, [torch.ones(1)], 10**6)
    assert values[0].item() == pytest.approx(0.1)


def test_move_goes_through_everything():
    batch = [(torch.zeros(2), {"boxes": torch.zeros(1, 4)}), [torch.ones(1)], "id"]
    moved = move(batch, "meta")
    assert moved[0][0].device.type == moved[0][1]["boxes"].device.type == moved[1][0].device.type == "meta"
    assert isinstance(moved[0], tuple) and moved[2] == "id"
