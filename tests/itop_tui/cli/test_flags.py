"""The settings as flags: every spelling arrives, and all problems are reported at once."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.config.field_info import choices_of, field_flags
from engine.config.run_config import ConfigError, RunConfig
from itop_tui.cli.application import build
from itop_tui.cli.flags import Flags, collect, resolve
from tests.itop_tui.cli.conftest import Itop

PUBLISHED = (
    "--sparse --seed 18 --sparse_init ERK --multiplier {multiplier} --lr 0.1 --density 0.05 --update_frequency 1500 "
    "--epochs 250 --model vgg-c --data cifar10 --decay_frequency 30000 --batch-size 128 --growth gradient "
    "--death magnitude --redistribution none"
)

# Every flag of the original main.py and of its sparse arguments, with a value, and what it must mean.
ORIGINAL: dict[str, dict[str, object]] = {
    "--batch-size 64": {"batch_size": 64},
    "--test-batch-size 50": {"test_batch_size": 50},
    "--multiplier 2": {"multiplier": 2},
    "--epochs 7": {"epochs": 7},
    "--lr 0.3": {"lr": 0.3},
    "--momentum 0.8": {"momentum": 0.8},
    "--no-cuda": {"device": "cpu"},
    "--seed 5": {"seed": 5},
    "--log-interval 10": {"log_interval": 10},
    "--optimizer adam": {"optimizer": "adam"},
    "--save ./models": {"save": "./models"},
    "--data digits": {"data": "digits"},
    "--decay_frequency 3000": {"decay_frequency": 3000},
    "--l1 0.1": {"l1": 0.1},
    "--l2 0.2": {"l2": 0.2},
    "--fp16": {"precision": "fp16"},
    "--valid_split 0.2": {"valid_split": 0.2},
    "--resume weights.pt": {"weights": "weights.pt"},
    "--start-epoch 2": {"start_epoch": 2},
    "--model lenet5": {"model": "lenet5"},
    "--max-threads 8": {"loader_workers": 8},
    "--sparse": {"sparse": True},
    "--sparse --fix": {"sparse": True, "fix": True},
    "--sparse_init uniform": {"sparse_init": "uniform"},
    "--growth gradient": {"growth": "gradient"},
    "--death SET": {"death": "SET"},
    "--redistribution momentum": {"redistribution": "momentum"},
    "--death-rate 0.3": {"death_rate": 0.3},
    "--density 0.05": {"density": 0.05},
    "--update_frequency 300": {"update_frequency": 300},
    "--decay-schedule linear": {"decay_schedule": "linear"},
}


def test_the_flag_that_the_published_code_never_reads_says_so(itop: Itop) -> None:
    flags = ["--data", "digits", "--model", "lenet300-100", "--decay_frequency", "300"]
    for command in ("plan", "train"):
        assert "--decay_frequency has no effect" in itop(command, *flags).err
    shown = itop("show", "1").out
    assert "300 (no effect: the published code never reads it)" in shown
    step_decay = itop("train", "--data", "digits", "--model", "lenet300-100", "--lr_drop_every", "300", "--json").json()
    assert (step_decay["config"]["lr_drop_every"], step_decay["config"]["decay_frequency"]) == (300, None)


@pytest.mark.parametrize("multiplier", [1, 5])
def test_the_published_command_lines_are_accepted_as_they_stand(itop: Itop, multiplier: int) -> None:
    queued = itop("train", *PUBLISHED.format(multiplier=multiplier).split(), "--json").json()
    config = RunConfig.create(queued["config"])
    assert config == RunConfig.create(
        sparse=True,
        seed=18,
        sparse_init="ERK",
        multiplier=multiplier,
        lr=0.1,
        density=0.05,
        update_frequency=1500,
        epochs=250,
        model="vgg-c",
        data="cifar10",
        decay_frequency=30000,
        batch_size=128,
        growth="gradient",
        death="magnitude",
        redistribution="none",
    )
    assert config.method == queued["method"] == "RigL-ITOP"
    assert queued["total_epochs"] == 250 * multiplier
    # 45,000 of the 50,000 images train, in batches of 128.
    assert queued["total_steps"] == 250 * multiplier * 352


@pytest.mark.parametrize("line", ORIGINAL)
def test_every_original_flag_means_what_it_meant(line: str) -> None:
    assert parsed(line.split()).changes(RunConfig.create(ORIGINAL[line])) == {}


def test_original_flags_without_effect_are_accepted_and_said_to_have_none(itop: Itop) -> None:
    outcome = itop("train", "--bench", "--save-features", "--data", "digits")
    assert outcome.code == 0
    assert "--bench has no effect" in outcome.err
    assert "--save-features has no effect" in outcome.err


def parsed(line: list[str]) -> RunConfig:
    """What `itop train` would queue, as far as the parser and the settings go."""
    _, bound, _ = build().parse_args(["train", *line], exit_on_error=False, print_error=False)
    return resolve(collect(bound.kwargs))


def _value_for(name: str) -> str | None:
    """A valid value that is not the default, as text; None for a switch."""
    info = RunConfig.model_fields[name]
    if info.annotation is bool:
        return None
    special = {
        "layer_densities": "fc=0.5",
        "model": "lenet5",
        "device": "cpu",
        "valid_split": "0.25",
        "density": "0.5",
        "momentum": "0.5",
    }
    if name in special:
        return special[name]
    if (choices := choices_of(name)) and info.default in choices:
        return next(choice for choice in choices if choice not in (info.default, "resume"))
    for candidate in ("3", "0.125", "somewhere"):
        try:
            if getattr(RunConfig.create({name: candidate, "epochs": 9}), name) != info.default:
                return candidate
        except ConfigError:
            continue
    raise AssertionError(f"no value for {name}")


@pytest.mark.parametrize("name", [name for name in RunConfig.model_fields if name != "epochs"])
def test_every_setting_is_a_flag_in_dashes_and_underscores(name: str) -> None:
    value = _value_for(name)
    settings: dict[str, object] = {"epochs": "9", "sparse": True, "weights": "w.pt"}
    fixed = ["--epochs", "9", "--sparse", "--weights", "w.pt"]
    default = RunConfig.model_fields[name].default
    for spelling in ("--" + name.replace("_", "-"), "--" + name, *field_flags(name)):
        if name in ("sparse", "weights"):
            words = [spelling] if value is None else [spelling, value]
            given: dict[str, object] = {"epochs": "9", name: True if value is None else value}
            line = ["--epochs", "9", *words]
        elif value is None:
            flipped = spelling if not default else spelling.replace("--", "--no-", 1)
            given, line = {**settings, name: not default}, [*fixed, flipped]
        else:
            given, line = {**settings, name: value}, [*fixed, spelling, value]
        assert parsed(line).changes(RunConfig.create(given)) == {}, spelling


def test_all_problems_are_told_at_once_and_nothing_is_queued(itop: Itop) -> None:
    outcome = itop("train", "--epochs", "x", "--lr", "-1", "--density", "2", "--growth", "gradiant", "--preset", "rigl")
    assert outcome.code == 2
    assert outcome.out == ""
    lines = outcome.err.splitlines()
    assert [line.removeprefix("itop:").split()[0] for line in lines] == ["preset", "density", "growth", "lr", "epochs"]
    assert "did you mean gradient?" in lines[2]
    assert itop("runs", "--json").json() == []


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [("--update-frequncy", "--update-frequency"), ("--densty", "--density"), ("--sparse_int", "--sparse-init")],
)
def test_an_unknown_flag_names_the_nearest(itop: Itop, wrong: str, nearest: str) -> None:
    outcome = itop("train", wrong, "3")
    assert outcome.code == 2
    assert wrong in outcome.err
    assert f"did you mean {nearest}?" in outcome.err


def test_a_flag_without_its_value_says_so(itop: Itop) -> None:
    outcome = itop("train", "--epochs")
    assert (outcome.code, "--epochs needs a value" in outcome.err) == (2, True)


def test_settings_that_may_be_empty_can_be_emptied() -> None:
    base = RunConfig.create(clip_norm=1.0, decay_frequency=5).as_dict()
    config = resolve(collect({"clip_norm": "none", "decay_frequency": ""}), base=base)
    assert config.clip_norm is None
    assert config.decay_frequency is None


def test_what_is_given_wins_over_a_preset_and_a_preset_over_the_base() -> None:
    base = RunConfig.create(density=0.5, lr=0.01, seed=3).as_dict()
    config = resolve(Flags({"density": "0.2"}), base=base, preset="digits-rigl")
    assert (config.density, config.lr, config.seed, config.growth) == (0.2, 0.05, 3, "gradient")


def test_an_explicit_device_wins_over_no_cuda() -> None:
    assert collect({"no_cuda": True, "device": "cuda:1"}).settings["device"] == "cuda:1"


def is_a_number_from_one(text: str) -> bool:
    try:
        return int(text) >= 1
    except ValueError:
        return False


@given(st.text(max_size=6).filter(lambda text: not is_a_number_from_one(text)))
@example("0\x1f")
@example("1.5")
@example("-3")
def test_iters_must_be_a_whole_number(text: str) -> None:
    with pytest.raises(Exception, match="whole number of at least 1"):
        Flags(iters=text).repetitions()


def test_iters_queues_consecutive_seeds_as_one_group(itop: Itop) -> None:
    line = ("train", "--data", "digits", "--seed", "5", "--iters", "3", "--name", "trial", "--json")
    queued = itop(*line).json()
    assert [run["config"]["seed"] for run in queued] == [5, 6, 7]
    assert [run["name"] for run in queued] == ["trial-seed5", "trial-seed6", "trial-seed7"]
    assert {run["group"] for run in queued} == {"lenet300-100-digits-dense"}
    # Another time it is another group: the seeds of one experiment must not be averaged with another's.
    assert {run["group"] for run in itop(*line).json()} == {"lenet300-100-digits-dense-2"}
