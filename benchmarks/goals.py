"""A promise of a benchmark beside what was measured, written the same way by each."""

from __future__ import annotations

import operator
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

_COMPARE: Final = {"<=": operator.le, "<": operator.lt, ">=": operator.ge}


@dataclass(frozen=True, slots=True)
class Goal:
    goal: str
    measured: float
    sign: Literal["<=", "<", ">="]
    bound: float

    def row(self) -> dict[str, Any]:
        """For the JSON document."""
        return {**asdict(self), "met": bool(_COMPARE[self.sign](self.measured, self.bound))}

    @staticmethod
    def line(row: dict[str, Any]) -> str:
        """For the table."""
        told = f"{row['goal']:36}{row['measured']:10,.2f}  {row['sign']} {row['bound']:<8,g}"
        return f"{told} {'met' if row['met'] else 'MISSED'}"
