# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""OTLP/JSON as a strict reader takes it: the messages of opentelemetry-proto 1.x that the tool
writes, with the rules that OTLP adds to those of protobuf's JSON.

Members have names in lowerCamelCase and must be known. Numbers of 64 bits are decimal strings;
those of 32 bits and enumerations are numbers. A oneof has exactly one member. Members that OTLP
requires must exist.
"""

from __future__ import annotations

import json
import math
from typing import Any, Callable, NamedTuple

Check = Callable[[Any, str], None]

# By default the collector's otlpjsonfile takes no longer lines.
LINE_BYTES = 1 << 20


def _assert(what: bool, where: str, value: Any) -> None:
    assert what, f"{where}: {value!r}"


def text(value: Any, where: str) -> None:
    _assert(isinstance(value, str), where, value)
    value.encode("utf-8")


def _decimal(low: int, high: int) -> Check:
    def check(value: Any, where: str) -> None:
        _assert(isinstance(value, str) and value.lstrip("-").isdecimal() and
                str(int(value)) == value and low <= int(value) <= high, where, value)
    return check


int64, fixed64 = _decimal(-1 << 63, (1 << 63) - 1), _decimal(0, (1 << 64) - 1)


def number(*values: int) -> Check:
    def check(value: Any, where: str) -> None:
        _assert(isinstance(value, int) and not isinstance(value, bool) and value in values, where,
                value)
    return check


def double(value: Any, where: str) -> None:
    _assert(isinstance(value, (int, float)) and not isinstance(value, bool) and
            math.isfinite(value), where, value)


def boolean(value: Any, where: str) -> None:
    _assert(isinstance(value, bool), where, value)


def many(check: Check) -> Check:
    def check_all(value: Any, where: str) -> None:
        _assert(isinstance(value, list), where, value)
        for index, one in enumerate(value):
            check(one, f"{where}[{index}]")
    return check_all


class Message(NamedTuple):
    """The members; those that are required; and sets of which exactly one must exist."""

    members: dict[str, Check]
    needed: frozenset[str] = frozenset()
    one_of: frozenset[str] = frozenset()

    def __call__(self, value: Any, where: str) -> None:
        _assert(isinstance(value, dict), where, value)
        unknown = value.keys() - self.members
        _assert(not unknown, where, unknown)
        _assert(not self.needed - value.keys(), where, value)
        _assert(not self.one_of or len(self.one_of & value.keys()) == 1, where, value)
        for name, one in value.items():
            self.members[name](one, f"{where}.{name}")


VALUES = {"stringValue": text, "intValue": int64, "doubleValue": double, "boolValue": boolean}
ANY_VALUE = Message(VALUES, one_of=frozenset(VALUES))
KEY_VALUE = Message({"key": text, "value": ANY_VALUE}, frozenset({"key", "value"}))


def attributes(value: Any, where: str) -> None:
    """Checks attributes. Keys are unique within a list."""
    many(KEY_VALUE)(value, where)
    keys = [one["key"] for one in value]
    _assert(len(keys) == len(set(keys)) and all(keys), where, keys)


RESOURCE = Message({"attributes": attributes})
SCOPE = Message({"name": text, "version": text})

_TIMES = {"attributes": attributes, "startTimeUnixNano": fixed64, "timeUnixNano": fixed64}
NUMBER_POINT = Message({**_TIMES, "asInt": int64, "asDouble": double}, frozenset({"timeUnixNano"}),
                       frozenset({"asInt", "asDouble"}))
HISTOGRAM_POINT = Message({**_TIMES, "count": fixed64, "sum": double,
                           "bucketCounts": many(fixed64), "explicitBounds": many(double)},
                          frozenset({"timeUnixNano", "startTimeUnixNano", "count"}))
CUMULATIVE = number(2)
GAUGE = Message({"dataPoints": many(NUMBER_POINT)}, frozenset({"dataPoints"}))
SUM = Message({"dataPoints": many(NUMBER_POINT), "aggregationTemporality": CUMULATIVE,
               "isMonotonic": boolean},
              frozenset({"dataPoints", "aggregationTemporality", "isMonotonic"}))
HISTOGRAM = Message({"dataPoints": many(HISTOGRAM_POINT), "aggregationTemporality": CUMULATIVE},
                    frozenset({"dataPoints", "aggregationTemporality"}))
METRIC = Message({"name": text, "description": text, "unit": text, "gauge": GAUGE, "sum": SUM,
                  "histogram": HISTOGRAM}, frozenset({"name"}),
                 frozenset({"gauge", "sum", "histogram"}))
METRICS = Message({"resourceMetrics": many(Message(
    {"resource": RESOURCE, "scopeMetrics": many(Message(
        {"scope": SCOPE, "metrics": many(METRIC)}, frozenset({"metrics"})))},
    frozenset({"scopeMetrics"})))}, frozenset({"resourceMetrics"}))

RECORD = Message({"timeUnixNano": fixed64, "observedTimeUnixNano": fixed64,
                  "severityNumber": number(*range(1, 25)), "severityText": text,
                  "eventName": text, "body": ANY_VALUE, "attributes": attributes},
                 frozenset({"timeUnixNano", "observedTimeUnixNano"}))
LOGS = Message({"resourceLogs": many(Message(
    {"resource": RESOURCE, "scopeLogs": many(Message(
        {"scope": SCOPE, "logRecords": many(RECORD)}, frozenset({"logRecords"})))},
    frozenset({"scopeLogs"})))}, frozenset({"resourceLogs"}))


def _no_constants(name: str) -> Any:
    raise AssertionError(f"{name} is no JSON")


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), names
    return dict(pairs)


def parse(line: bytes, message: Message) -> dict[str, Any]:
    """Parses a line, which ends where the next one begins."""
    assert len(line) <= LINE_BYTES
    value = json.loads(line.decode("utf-8"), parse_constant=_no_constants,
                       object_pairs_hook=_no_twins)
    message(value, "request")
    return dict(value)


def plain(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    """Attributes by their keys."""
    found = {}
    for pair in pairs:
        (kind, value), = pair["value"].items()
        found[pair["key"]] = int(value) if kind == "intValue" else value
    return found


class Point(NamedTuple):
    """A point of a metric, with its attributes."""

    name: str
    kind: str
    unit: str
    of: dict[str, Any]
    point: dict[str, Any]

    def value(self) -> float:
        point = self.point
        return float(point.get("asInt") or point.get("asDouble") or point.get("count") or 0)


def points(request: dict[str, Any]) -> list[Point]:
    """All points of a request; a metric that is split over lines counts as one."""
    found = []
    for resource in request["resourceMetrics"]:
        for scope in resource["scopeMetrics"]:
            for metric in scope["metrics"]:
                kind, = metric.keys() & {"gauge", "sum", "histogram"}
                assert metric[kind]["dataPoints"], "a metric without points"
                found += [Point(metric["name"], kind, metric["unit"],
                                plain(point["attributes"]), point)
                          for point in metric[kind]["dataPoints"]]
    return found
