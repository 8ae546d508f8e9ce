"""Fixtures, and what is checked around every test: no sanitizer report, no
process left behind, and on failure the logs of all that took part."""

import signal

import pytest

import harness

TEST_LIMIT_S = 180


@pytest.fixture(autouse=True)
def watched(request):
    """A test may not hang, nor leave agents or sanitizer reports."""
    def hang(sig, frame):
        raise AssertionError("the test took more than %d s" % TEST_LIMIT_S)
    old = signal.signal(signal.SIGALRM, hang)
    signal.alarm(TEST_LIMIT_S)
    before = len(harness.reports())
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, old)
    harness.Agent.close_all()
    assert harness.reports()[before:] == []


@pytest.fixture
def started():
    """started(p) stops p after the test: SIGTERM must end it with 0."""
    procs = []

    def add(proc):
        procs.append(proc)
        return proc
    yield add
    codes = {}
    for p in reversed(procs):
        if p.alive():
            codes[p.name] = p.stop()
    assert not any(codes.values()), codes


@pytest.fixture(scope="module")
def relay():
    """A relay without a rate limit, shared by the tests of a file."""
    r = harness.Relay(*harness.FAST)
    yield r
    harness.Agent.close_all()
    assert r.alive(), "the relay ended: " + r.err[-4000:]
    assert r.stop() == 0
    assert harness.reports() == []


@pytest.fixture
def root():
    """A directory for --dir."""
    return harness.directory("root")


def pytest_runtest_setup(item):
    item.first_process = len(harness.processes)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        first = getattr(item, "first_process", 0)
        for n, p in enumerate(harness.processes):
            if n >= first or p.alive():
                report.sections.append((p.name, p.story()))


def pytest_unconfigure(config):
    harness.cleanup()
