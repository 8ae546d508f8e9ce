"""What is promised, in its shortest form: outcomes only. The long forms, with
their figures, are `make soak`; they are the same functions."""

import pathlib
import sys

import pytest

import harness

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent /
                       "soak"))

import soak                                             # noqa: E402


@pytest.mark.parametrize("part", soak.PARTS, ids=lambda p: p.name)
def test_kept(part):
    why = part.needs and part.needs()
    if why:
        pytest.skip(why)
    try:
        account = part.run(part.least, seed=1)
    finally:
        harness.Agent.close_all()
        harness.reap()
    assert account.work > 0
    assert account.good(), account.story()
