"""The commands: found, explained, and told apart from what is none."""

import argparse
import os
import re
from pathlib import Path

import pytest

from exitwave.cli import main, name, stages, tools
from exitwave.cli.settings import isolate_user_settings

COMMANDS = {name(command): command for command in (*stages.COMMANDS, *tools.COMMANDS)}
ROOT = Path(__file__).parents[2]


def test_every_file_is_a_command_and_every_command_a_file():
    for folder in (stages, tools):
        files = {path.stem for path in Path(folder.__file__).parent.glob("[!_]*.py")}
        assert files == {name(command) for command in folder.COMMANDS}
    assert len(COMMANDS) == len(stages.COMMANDS) + len(tools.COMMANDS)


def test_the_rules_call_the_commands_of_stages_and_no_others():
    text = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    called = set(re.findall(r'"exitwave (\w+)', text))
    assert called == {name(command) for command in stages.COMMANDS}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert COMMANDS[command].HELP in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_every_argument_is_explained(command):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    assert not [action.dest for action in parser._actions if not action.help]


def test_the_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    listed = re.findall(r"^    ([a-z]+)(?=\s|$)", capsys.readouterr().out, re.MULTILINE)
    assert listed == [*COMMANDS]


@pytest.mark.parametrize("arguments", [["simulat"], []])
def test_what_is_no_command_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


def test_a_problem_found_is_the_exit_status(monkeypatch):
    monkeypatch.setattr("exitwave.doctor.examine.examine", lambda *_: 1)
    assert main(["doctor"]) == 1


def test_settings_of_the_home_folder_are_not_read(monkeypatch):
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setenv("MPLCONFIGDIR", "mine")
    isolate_user_settings()
    assert os.environ["KERAS_HOME"].endswith("exitwave-settings/keras")
    assert os.environ["MPLCONFIGDIR"] == "mine"
