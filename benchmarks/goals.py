"""A goal of a benchmark with its measured value, printed in the same form by all benchmarks."""

from __future__ import annotations

import operator
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

_COMPARE: Final = {"<=": operator.le, "<": operator.lt, ">=": operator.ge}


@dataclass(frozen=True, slots=True)
class Goal:
    """A measured value and the bound that it has to keep."""

    goal: str
    measured: float
    sign: Literal["<=", "<", ">="]
    bound: float

    def row(self) -> dict[str, Any]:
        """The goal as part of a JSON document."""
        return {**asdict(self), "met": bool(_COMPARE[self.sign](self.measured, self.bound))}

    @staticmethod
    def line(row: dict[str, Any]) -> str:
        """The goal as a line of text."""
        text = f"{row['goal']:36}{row['measured']:10,.2f}  {row['sign']} {row['bound']:<8,g}"
        return f"{text} {'met' if row['met'] else 'MISSED'}"
