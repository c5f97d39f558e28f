# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Fixtures of the live tests. Everything that they make is gone when they end."""

from __future__ import annotations

import signal
from typing import Any, Callable, Iterator

import pytest

from harness import capability, netns, place, stall, traffic as oracle
from harness.tracer import Tracer


@pytest.fixture(scope="session", autouse=True)
def _able() -> None:
    """Skips a test unless it runs as root, who alone may use BPF and make network namespaces."""
    if not capability.root():
        pytest.skip("live tests need root")


class Closing:
    """Makes things and ends them, the last first, even if ending some of them fails."""

    def __init__(self) -> None:
        self.made: list[Callable[[], None]] = []

    def add(self, end: Callable[[], None]) -> None:
        self.made.append(end)

    def close(self) -> None:
        failures = []
        for end in reversed(self.made):
            try:
                end()
            except Exception as failure:  # noqa: BLE001 - the others must still be ended
                failures.append(failure)
        if failures:
            raise failures[0]


def _tracers() -> Iterator[Callable[..., Tracer]]:
    closing = Closing()

    def start(*arguments: str, **kwargs: Any) -> Tracer:
        tracer = Tracer(*arguments, **kwargs)
        closing.add(tracer.close)
        return tracer

    yield start
    closing.close()


def _namespaces() -> Iterator[Callable[[], netns.Netns]]:
    closing = Closing()

    def make() -> netns.Netns:
        made = netns.Netns.make()
        closing.add(made.remove)
        return made

    yield make
    closing.close()


def _veths() -> Iterator[Callable[[], netns.Veth]]:
    closing = Closing()

    def make() -> netns.Veth:
        made = netns.Veth.make()
        closing.add(made.remove)
        return made

    yield make
    closing.close()


# tracer(*arguments) starts a tracer; at the end each one is stopped, and checked against the
# accounting identity and the chain rule. The others make a namespace, or two with a veth pair.
tracer = pytest.fixture(_tracers, name="tracer")
module_tracer = pytest.fixture(_tracers, scope="module", name="module_tracer")
make_netns = pytest.fixture(_namespaces, name="make_netns")
module_netns = pytest.fixture(_namespaces, scope="module", name="module_netns")
make_veth = pytest.fixture(_veths, name="make_veth")
module_veth = pytest.fixture(_veths, scope="module", name="module_veth")


@pytest.fixture(name="netns")
def _netns(make_netns: Callable[[], netns.Netns]) -> netns.Netns:
    """A namespace for this test alone."""
    return make_netns()


@pytest.fixture(name="veth_pair")
def _veth_pair(make_veth: Callable[[], netns.Veth]) -> netns.Veth:
    """Two namespaces for this test alone, with a veth pair between them."""
    return make_veth()


@pytest.fixture(name="traffic")
def _traffic() -> Callable[..., list[oracle.Expectation]]:
    """traffic(scenario, *arguments, netns=...) plays the scenario and returns what must be seen."""

    def play(scenario: str, *arguments: str, **kwargs: Any) -> list[oracle.Expectation]:
        try:
            return oracle.play(scenario, *arguments, **kwargs)
        except oracle.CannotPlay as why:
            pytest.skip(f"{scenario}: {why}")

    return play


@pytest.fixture(scope="session", name="require")
def _require() -> Callable[..., None]:
    """require(feature...) skips the test, by name, where the tracer lacks a feature."""

    def require(*features: str) -> None:
        why = capability.missing(*features)
        if why:
            pytest.skip(why)

    return require


@pytest.fixture(name="require_cookies")
def _require_cookies(require: Callable[..., None]) -> None:
    """Skips the test unless requests are seen, and connections are known by their cookies."""
    require(capability.SYN_RECV)
    if not capability.cookies():
        pytest.skip("without cookies all are known by addresses")


MARKS = ("every_kernel: what tools/vm/run.py runs on each kernel unless told otherwise",
         "any_kernel: no kernel makes a difference to it, so tools/vm/run.py leaves it out")


def pytest_configure(config: pytest.Config) -> None:
    """Makes a run that is told to end take down what it made."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for mark in MARKS:
        config.addinivalue_line("markers", mark)


def pytest_sessionstart() -> None:
    stall.begin()


def pytest_report_header() -> list[str]:
    """Says which programs are tested."""
    return [f"tcpdwell: {place.tcpdwell()}", f"traffic: {place.traffic()}"]
