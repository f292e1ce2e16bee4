"""The life of an SA pair on the golden model, and the comparison with another device."""

import re
from copy import deepcopy

import pytest
from rich.console import Console

from espnic.sim.docs.driver_steps import DOCUMENT, with_steps
from espnic.sim.life.command import brief, difference, on_model, play
from espnic.sim.life.recording import Entry
from espnic.sim.problem import Mismatch
from espnic.sim.rig.engine import Options


@pytest.fixture(scope="module")
def life():
    """The story on the model."""
    return on_model(width=128, seed=1)


def test_the_story_on_the_model_ends_as_it_must(life):
    facts = {fact for entry in life.entries for fact in entry.facts}
    assert not any(entry.problems for entry in life.entries)
    for fact in (
        "completions: 45 OK", "completions: 40 OK", "completions: 2 REPLAYED, 1 AUTH_FAILED",
        "completions: 3 AUTH_FAILED, 1 OK", "SA first out: soft limit reached",
        "SA second out: hard limit reached", "auth_bursts 1", "tx_drop_expired 1",
        "24 requests, 8 left sealed, none in clear", "tx_drop_no_sa 16", "4 SAs gone",
        "completions: 145 OK", "completions: 2 REPLAYED, 1 LATE", "completions: 5 OK, 3 EXPIRED",
        "SA third in: soft limit reached", "SA third in: hard limit reached",
        "the stack says -EINVAL: hard limit is reached",
    ):
        assert fact in facts, fact


def test_the_story_repeats_from_its_seed(life):
    again = on_model(width=128, seed=1)
    assert difference(again.entries, life.entries) is None
    assert difference(on_model(width=128, seed=2).entries, life.entries) is not None


@pytest.mark.parametrize("part", ["accesses", "facts", "frames"])
def test_any_difference_is_found_and_named(life, part):
    changed = deepcopy(life.entries)
    step = next(number for number, entry in enumerate(changed, start=1) if getattr(entry, part))
    getattr(changed[step - 1], part)[-1] = "else"
    found = difference(changed, life.entries)
    assert found.startswith(f"step {step}, {changed[step - 1].title}, {part}: RTL else, model ")
    getattr(changed[step - 1], part)[:] = [*getattr(life.entries[step - 1], part), "more"]
    assert difference(changed, life.entries).endswith("RTL more, model nothing")
    assert difference(life.entries[:-1], life.entries) is not None


def test_a_device_that_is_wrong_in_the_same_way_as_the_model_is_found(life, monkeypatch):
    changed = deepcopy(life)
    changed.entries[3].problems.append("wrong")
    monkeypatch.setattr("espnic.sim.life.command.on_model", lambda _width, _seed: changed)
    title = changed.entries[3].title
    with pytest.raises(Mismatch, match=f"^step 4, {title}: wrong$"):
        play(Options(), Console(quiet=True), model_only=True)


def test_keys_are_not_shown(life):
    shown = "\n".join(access for entry in life.entries for access in entry.accesses)
    assert "SA_KEY7          (secret)" in shown and "SA_SALT          (secret)" in shown


def test_runs_of_zeros_and_of_secrets_are_one_line_each():
    accesses = ["write A 0", "write B 0", "read  C 0", "write D x=1", "write E (secret)",
                "write F (secret)", "write G 0", "read  H y=2", "read  H y=2"]
    assert brief(accesses) == [
        "write A to B 0", "read  C 0", "write D x=1", "write E to F (secret)", "write G 0",
        "read  H y=2", "read  H y=2"]
    assert brief(Entry("empty").accesses) == []


def test_the_driver_guide_is_that_of_the_story_and_the_checks():
    assert DOCUMENT.read_text() == with_steps(DOCUMENT.read_text()), "stale: run make docs"


def test_the_driver_guide_s_example_runs(capsys):
    example = re.search(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    exec(compile(example.group(1), str(DOCUMENT), "exec"), {})
    assert capsys.readouterr().out.startswith("SEALED 0200")
