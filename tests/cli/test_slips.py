"""Slips: one line that names what was probably meant, exit code 2, at once, without PyTorch."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from strongreid.cli import COMMANDS, main
from strongreid.config import Config
from strongreid.recipes.parsing import parse, tell_apart


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a set of one's own, a table, features, a run and another folder of runs."""
    for folder in ("people/anna", "-people", "runs/own", "runs/other"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("people.csv", "query.npz", "model.onnx", "runs/own/config.yaml", "runs/own/result.npz", "mine.yaml"):
        (tmp_path / file).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


SLIPS: list[tuple[str, tuple[str, ...]]] = [
    # commands
    ("trian", ("no command trian", "mean train?")),
    ("data chek people", ("no command data chek", "mean data check?")),
    ("list", ("mean data list?",)),
    ("--seed 3 train", ("A command comes first", "--seed")),
    # options: misspelt, hyphen for underscore or dot, end of a longer name
    ("train --schedule.epoch 3", ("no option --schedule.epoch", "mean --schedule.epochs?")),
    ("train --data-root people", ("no option --data-root", "mean --data.root?")),
    ("train --DATA.ROOT people", ("mean --data.root?",)),
    ("train --backbone resnet18", ("mean --model.backbone?",)),
    ("train --model.image-size [64,32]", ("mean --model.image_size?",)),
    ("evaluate runs/own --data-root people", ("mean --data.root?",)),
    ("evaluate runs/own --rerank true", ("mean --reranking",)),
    ("calibrate runs/own --false-match-rate 0.1", ("mean --false_match_rate?",)),
    ("reproduce tricks --schedule.epoch 3", ("mean --schedule.epochs?",)),
    ("data pack folder people --sizes [64,32]", ("mean --size?",)),
    ("train --zzz 3", ("no option --zzz", "--help")),
    ("train -n 3", ("no option -n",)),
    ("train --resume=runs/own --recipes=x", ("mean --recipe?",)),
    # recipes, tables, sets
    ("train --recipe bag_of_trick folder people", ("no recipe bag_of_trick.", "mean bag_of_tricks?")),
    ("reproduce triks", ("no table", "mean tricks?")),
    ("train flder people", ("no data set flder", "mean folder?")),
    ("data check market-1501 people", ("mean market1501?",)),
    ("evaluate runs/own --data.name cuhk1 --data.root people", ("mean cuhk01?",)),
    ("reproduce tricks --data.name foldr --data.root people", ("mean folder?",)),
    ("train folder people --data.joined [{name:%20tabel,root:%20people}]", ("mean table?",)),
    # a variable that is not set
    ("train --data.root", ("--data.root is empty: is the variable $MARKET1501 set?",)),
    ("train --data.root=", ("--data.root is empty: is the variable $MARKET1501 set?",)),
    ("train --data.root %20", ("--data.root is empty",)),
    ("train --data.root --seed 1", ("--data.root is empty (--seed follows it directly)", "$MARKET1501")),
    ("train --name --seed 1", ("--name needs a value", "--seed", "variable")),
    ("train folder ", ("empty", "variable")),
    ("train folder", ("folder stands alone", "strongreid train NAME DIR")),
    ("report ", ("empty", "variable")),
    ("report", ("RUN is missing",)),
    ("evaluate --embeddings query.npz", ("--embeddings takes two values", "QUERY GALLERY")),
    ("evaluate runs/own --json=", ("--json needs a value",)),
    ("reproduce tricks --seeds --plan", ("--seeds needs a value", "--plan")),
    # NAME and DIR
    ("train people folder", ("people is no data set, but folder is", "folder people")),
    ("data check people folder", ("folder people",)),
    ("train people", ("people is a folder", "strongreid train folder people")),
    ("train folder people more", ("NAME DIR", "3 came")),
    ("train folder people --data.root people", ("folder people", "--data.root", "one of them")),
    ("train folder peopel", ("no peopel", "there is people")),
    ("train folder --seed 1", ("folder stands alone",)),
    ("train folder ~/people", ("~", "$HOME")),
    ("train folder $DATA/people", ("$", "single quotes")),
    ("train --data.name folder", ("data.root is missing", "--data.root DIR")),
    # a folder for a file, a file for a folder
    ("train table people", ("people is a folder", "people.csv", "`folder`")),
    ("train folder people.csv", ("people.csv is a file", "`table`")),
    ("data check market1501 people.csv", ("people.csv is a file",)),
    ("train --recipe runs/own folder people", ("runs/own is a folder", "--recipe runs/own/config.yaml")),
    ("train --recipe people folder people", ("people is a folder", "YAML")),
    ("reproduce mine.yaml", ("mine.yaml is a file", "reproduce own --file mine.yaml")),
    ("reproduce own --file people", ("people is a folder",)),
    ("reproduce own --file ours.yaml", ("no ours.yaml",)),
    ("calibrate runs", ("runs is not the folder of a run", "the runs own")),
    ("report runs/ow", ("no folder runs/ow", "runs/own")),
    ("report runs/own/config.yaml", ("is a file", "runs/own")),
    ("calibrate query.npz", ("query.npz is a file of features", "--embeddings")),
    ("evaluate runs/other", ("config.yaml",)),
    ("compare runs/own runs/other", ("runs/other is not the folder of a run",)),
    ("train --resume runs/ow", ("runs/own",)),
    ("evaluate --embeddings people query.npz", ("people is a folder",)),
    ("evaluate --embeddings query.npz galery.npz", ("no galery.npz",)),
    ("evaluate query.npz query.npz", ("strongreid evaluate --embeddings query.npz query.npz",)),
    ("train folder people --moved a=b", ("--moved goes with --resume",)),
    ("evaluate --embeddings query.npz query.npz --moved a=b", ("go with a run",)),
    ("report query.npz query.npz", ("strongreid report --embeddings query.npz query.npz",)),
    ("evaluate runs/own runs/other", ("one run", "strongreid compare runs/own runs/other")),
    ("report runs/own/result.npz", ("is a file", "runs/own")),
    ("data check people", ("people is a folder", "strongreid data check folder people")),
    ("data pack people", ("people is a folder", "strongreid data pack folder people")),
    ("data check folder people --sheet people", ("--sheet people is a folder",)),
    ("data check folder -people", ("looks like an option", "./-people")),
    ("compare -people runs/own", ("looks like an option", "./-people")),
    ("evaluate runs/own --json people", ("--json people is a folder", "people/metrics.json")),
    ("report runs/own --output people", ("--output people is a folder",)),
    # values
    ("train --model.image_size 128,64", ("--model.image_size is '128,64'; write [128,64]: two whole numbers.",)),
    ("train --model.image_size 128x64", ("write [128,64]: two whole numbers.",)),
    ("train --schedule.milestones 40,70", ("write [40,70]: a list of whole numbers.",)),
    ("train --schedule.base_rate 0,001", ("write 0.001: a number.",)),
    ("train --evaluation.metric cosin", ("'cosin'", "mean cosine?", "cosine or euclidean")),
    ("train --epochs some", ("--epochs is 'some'; write a whole number",)),
    ("train folder people --epochs 0", ("--epochs is 0; it must be 1 or more",)),
    ("train folder people --epochs 3 --schedule.epochs 4", ("--epochs and --schedule.epochs",)),
    ("train --model 5", ("--model is a group of settings", "--model.FIELD")),
    ("train --seed 1.5", ("write a whole number, such as 0.",)),
    (f"train --seed {2**63}", ("seed", "2^63 - 1")),
    ("data draw people2 --seed much", ("--seed is 'much'; write a whole number",)),
    ("reproduce tricks --seeds 0 x", ("--seeds is 'x'; write a whole number",)),
    ("reproduce tricks --plan=yes", ("--plan takes no value",)),
    ("reproduce tricks --scale big", ("'big'", "paper or cpu")),
    ("reproduce tricks --data.name folder", ("--data.name needs --data.root",)),
    ("reproduce cross_domain --other.name folder --other.root people", ("name the first by --data.name NAME",)),
    ("reproduce cross_domain --data.name folder --data.root people --other.name table", ("needs --other.root DIR",)),
    ("reproduce cross_domain --data.name folder --data.root people", ("a second data set: --other.name",)),
    ("reproduce bnneck --other.name folder --other.root people", ("belongs to tables across domains",)),
    ("evaluate runs/own --reranking maybe", ("true or false",)),
    ("evaluate runs/own --reranking false --reranking.k1 3", ("--reranking is false, but --reranking.k1",)),
    ("gallery re-embed people.gallery --model model.onnx --engine pytorch", ("model.onnx is run by onnxruntime",)),
    ("compare runs/own", ("at least two runs",)),
]


@pytest.mark.parametrize(("words", "parts"), SLIPS, ids=[words for words, _ in SLIPS])
def test_a_slip_gets_one_line_that_helps(
    here: Path, words: str, parts: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word.replace("%20", " ") for word in words.split(" ")]) == 2
    captured = capsys.readouterr()
    assert not captured.out
    (line,) = captured.err.splitlines()
    assert line.startswith("strongreid: error: ")
    assert not {"usage", "Traceback", "<class", "Parser key", "argument "} & set(line.split())
    for part in parts:
        assert part in line, line


def test_slips_and_help_do_not_wait_for_pytorch(here: Path) -> None:
    """All of them in one process, which must not have loaded it at the end."""
    words = [[word.replace("%20", " ") for word in slip.split(" ")] for slip, _ in SLIPS]
    words += [[*name.split(), "--help"] for name in COMMANDS] + [["--help"], ["--version"]]
    code = (
        "import json, sys\nfrom strongreid.cli import main\nfor words in json.loads(sys.argv[1]):\n"
        "    main(words)\n    assert 'torch' not in sys.modules, words\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, json.dumps(words)], check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-2000:]


def fields(kind: type = Config, above: str = "") -> Iterator[tuple[str, Any]]:
    for name, hint in get_type_hints(kind).items():
        if dataclasses.is_dataclass(hint):
            assert isinstance(hint, type)
            yield from fields(hint, f"{above}{name}.")
        else:
            yield f"{above}{name}", hint


def wrong_values(hint: Any) -> Sequence[str]:
    """Values that no field of this type takes."""
    inner = get_args(hint)
    if str in (hint, *inner) or Path in (hint, *inner):
        return ()  # takes any text
    if get_origin(hint) is Literal:
        return "", "3", "nonsense", "[1]", "null"
    if get_origin(hint) is tuple:
        return (
            "",
            "x",
            "[x]",
            "[1.5,2]",
            "{a: 1}",
            "true",
            *(["[1]", "[1,2,3]", "128;64"] if inner[-1] is not Ellipsis else []),
        )
    if get_origin(hint) is list:
        return "", "x", "3", "[3]", "[{name: a}]", "[{nam: a, root: b}]"
    return "", "x", "[1]", "{a: 1}", *({bool: ["2", "ja"], int: ["1.5", "true", "null"]}.get(hint, []))


@pytest.mark.parametrize(("name", "hint"), list(fields()), ids=[name for name, _ in fields()])
def test_every_setting_says_in_words_what_it_takes(
    name: str, hint: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    recipe = tmp_path / "mine.yaml"
    section, _, field = name.rpartition(".")
    for number, value in enumerate(wrong_values(hint)):
        ways = [["train", f"--{name}={value}"]]
        if number == 1:
            ways += [
                ["train", f"--{name}", value],
                *([["reproduce", "tricks", f"--{name}={value}"]] if section else []),
            ]
        for words in ways:
            assert main(words) == 2
            (line,) = capsys.readouterr().err.splitlines()
            assert f"--{name} " in line
            if value:
                assert f"--{name} is {value!r}" in line
                assert "rite " in line
            for jargon in ("<class", "Expected", "tuple", "Union", "Literal", "dict", "Parser", "float", " int"):
                assert jargon not in line
        nested = "".join(f"{'  ' * depth}{part}:\n" for depth, part in enumerate(section.split("."))) if section else ""
        indent = "  " * (name.count("."))
        recipe.write_text(f"{nested}{indent}{field}: {json.dumps(value)}\n")
        assert main(["train", f"--recipe={recipe}"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"{recipe}: {name} is " in line
        assert "<class" not in line
    recipe.write_text("".join(f"{'  ' * depth}{part}x:\n" for depth, part in enumerate(name.split("."))))
    assert main(["train", f"--recipe={recipe}"]) == 2
    assert "is no setting" in capsys.readouterr().err


TODAY = {
    "demo": ("--output=o", "--seed=1"),
    "evaluate": (
        "RUN",
        "--data_root=r",
        "--data_name=cuhk01",
        "--split_seed=1",
        "--metric=cosine",
        "--reranking=true",
        "--same_camera=include",
        "--average_precision=trapezoid",
        "--json=j",
    ),
    "calibrate": ("RUN", "--false_match_rate=0.1", "--data_root=r"),
    "report": ("RUN", "--data_root=r", "--output=o"),
    "reproduce": (
        "tricks",
        "--seeds",
        "0",
        "1",
        "--rows",
        "1",
        "2",
        "--epochs=3",
        "--scale=cpu",
        "--plan",
        "--output=o",
        "--file=f",
    ),
    "compare": ("RUN", "OTHER", "THIRD"),
    "data list": (),
    "data check": ("cuhk01", "r", "--split_seed=1", "--sheet=s.png"),
    "data draw": ("o", "--train_people=3", "--test_people=3", "--images_per_person=3", "--seed=1", "--domain=1"),
    "data extract": ("cuhk03_labeled", "r"),
    "data pack": ("cuhk01", "r", "--size=[64,32]", "--cache=c", "--split_seed=1"),
}
"""Options of the first version, one of each; those of `train` are the fields of the configuration."""


@pytest.mark.parametrize("name", TODAY)
def test_options_of_the_first_version_go_on_working(name: str) -> None:
    command, parser = COMMANDS[name], COMMANDS[name].parser()
    for words in (list(TODAY[name]), [part for word in TODAY[name] for part in word.split("=", 1)]):
        values = parse(parser, [command.renamed(word) for word in words])
        given = tell_apart(parser, [command.renamed(word) for word in words])
        assert len(given.options) == sum(word.startswith("--") for word in TODAY[name])
        assert {"data.root", "root"} & given.options.keys() <= {"data.root"}
        assert values is not None


def test_every_field_can_be_set_by_train_and_by_reproduce(tmp_path: Path) -> None:
    parsers = {name: COMMANDS[name].parser() for name in ("train", "reproduce")}
    section = tmp_path / "model.yaml"
    section.write_text("backbone: resnet18\n")
    for name, hint in fields():
        for command, parser in parsers.items():
            if command == "train" or "." in name:
                assert f"--{name}" in parser._option_string_actions
        if get_origin(hint) is list:
            words = [f"--{name}+={{name: cuhk01, root: a}}", f"--{name}+={{name: veri776, root: b}}"]
            assert len(parse(parsers["train"], words)[name]) == 2
    assert parse(parsers["train"], [f"--model={section}"])["model.backbone"] == "resnet18"
    assert parse(parsers["reproduce"], ["tricks", "--other.name=cuhk01", "--other.root", "a"])["other.name"] == "cuhk01"
    assert parse(parsers["train"], ["--model.weights=null", "--data.root=a=b"])["data.root"] == Path("a=b")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_begins_with_two_examples_that_can_be_parsed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*name.split(), "--help"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "Examples:"
    assert shown[3] == ""
    for line in shown[1:3]:
        program, *words = line.split()
        assert program == "strongreid"
        used = next(one for one in sorted(COMMANDS, key=len, reverse=True) if " ".join(words).startswith(one))
        command = COMMANDS[used]
        tell_apart(command.parser(), [command.renamed(word) for word in words[len(used.split()) :]])
    assert all(option not in "\n".join(shown) for option in ("--data_root", "--data_name", "CONFIG", "<class"))


def test_help_of_train_has_what_matters_first_and_the_recipes_values(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--recipe", "bag_of_tricks_small", "--help"]) == 0
    shown = capsys.readouterr().out
    first, rest = shown.split("What matters first:")[1].split("\n\n", 1)
    for option in ("--recipe", "--epochs", "--data.name", "--data.root", "--seed", "--name", "--output"):
        assert f"\n  {option} " in first
        assert f"\n  {option} " not in rest
    assert "default resnet10_small" in " ".join(first.split())
    assert "default [128,64]" in " ".join(rest.split())


def test_without_a_command_the_commands_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out
    assert main([]) == 2
    assert capsys.readouterr().err == listed
    assert all(f"\n  {name} " in listed for name in COMMANDS)
    assert main(["data"]) == 2
    assert "data draw" in capsys.readouterr().err
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("strongreid 0.")


@pytest.mark.parametrize("variable", ["RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"])
@pytest.mark.parametrize("value", ["", "x", "1.5", "-1", "0x1", "9" * 30, "٣"])
def test_what_torchrun_would_not_set_is_a_clear_error(
    variable: str, value: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    for words in (["train", "folder", "nowhere"], ["evaluate", "nowhere"], ["reproduce", "tricks"]):
        assert main(words) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert variable in line
        assert "torchrun" in line


@pytest.mark.parametrize(
    ("rank", "processes", "local"), [("2", "2", "2"), ("0", "0", "1"), ("0", "2", "3"), ("0", "1", "0")]
)
def test_numbers_of_torchrun_that_do_not_fit_are_a_clear_error(
    rank: str, processes: str, local: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in (("RANK", rank), ("WORLD_SIZE", processes), ("LOCAL_WORLD_SIZE", local)):
        monkeypatch.setenv(variable, value)
    assert main(["train", "folder", "nowhere"]) == 2
    assert "do not fit together" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["~", "#1", "&a", "!x", "a #b", "007", "1e3", "[1]", "a: b", "yes"])
def test_a_word_is_the_name_that_it_is(word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """YAML takes some of them for nothing, a comment or a number."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / word).mkdir()
    parser = COMMANDS["train"].parser()
    found = parse(parser, [f"--name={word}", f"--data.root={word}", "--model.weights", word])
    assert (found["name"], found["data.root"], found["model.weights"]) == (word, Path(word), word)
    assert parse(parser, ["--name=null", "--data.root", "null"])["name"] is None


def test_a_run_with_brackets_in_its_name_is_the_recipe_that_is_read(tmp_path: Path) -> None:
    for name, backbone in (("exp[1]", "resnet18"), ("exp1", "resnet34")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(f"model: {{backbone: {backbone}}}\n")
    parser = COMMANDS["train"].parser()
    show = COMMANDS["train"].set_defaults
    assert show is not None
    show(parser, [f"--recipe={tmp_path / 'exp[1]' / 'config.yaml'}"])
    assert parser.get_defaults()["model.backbone"] == "resnet18"
