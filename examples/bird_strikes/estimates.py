"""Estimates with their 95 % intervals, by the standard library."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
Estimate = dict[str, float]
Point = tuple[tuple[float, ...], int, int]


def seeded(name: str) -> random.Random:
    """Chance of each analysis's own, so that it comes out the same in whatever order, and again after a crash."""
    return random.Random(f"bird strikes: {name}")  # noqa: S311 - statistics, no secret


def bootstrap(
    sample: Sequence[T], statistic: Callable[[Sequence[T]], float], *, resamples: int, chance: random.Random
) -> Estimate:
    """The statistic of the sample, and the middle 95 % of it over resamples (Efron 1979)."""
    drawn = sorted(statistic(chance.choices(sample, k=len(sample))) for _ in range(resamples))
    return _estimate(statistic(sample), drawn[int(0.025 * resamples)], drawn[int(0.975 * resamples)])


def rate(hits: int, trials: int) -> Estimate:
    """A share of trials; the interval (Wilson 1927) stays honest where no trial hit, which resampling would not."""
    z = 1.96
    middle = (hits + z * z / 2) / (trials + z * z)
    reach = z * math.sqrt(hits * (trials - hits) / trials + z * z / 4) / (trials + z * z)
    return _estimate(hits / trials, max(0.0, middle - reach), min(1.0, middle + reach))


def _estimate(value: float, low: float, high: float) -> Estimate:
    return {"value": round(value, 4), "low": round(low, 4), "high": round(high, 4)}


def mean(sample: Sequence[float]) -> float:
    return sum(sample) / len(sample)


def logistic(points: list[Point]) -> list[float]:
    """The coefficients of a logistic regression over points of (x, trials, hits), by six of Newton's steps from 0."""
    beta = [0.0] * len(points[0][0])
    for _ in range(6):
        gradient, hessian = _slopes(points, beta)
        beta = [b + step for b, step in zip(beta, _solved(hessian, gradient), strict=True)]
    return beta


def _slopes(points: list[Point], beta: list[float]) -> tuple[list[float], list[list[float]]]:
    width = range(len(beta))
    gradient = [0.0] * len(beta)
    hessian = [[0.0] * len(beta) for _ in width]
    for x, trials, hits in points:
        p = 1 / (1 + math.exp(-sum(map(float.__mul__, beta, x))))
        weight, residual = trials * p * (1 - p), hits - trials * p
        for i in width:
            gradient[i] += residual * x[i]
            for j in width:
                hessian[i][j] += weight * x[i] * x[j]
    return gradient, hessian


def _solved(matrix: list[list[float]], right: list[float]) -> list[float]:
    """The solution of a linear system by elimination; a Hessian of this kind needs no pivoting."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for i, pivot in enumerate(rows):
        pivot[:] = [value / pivot[i] for value in pivot]
        for other in rows:
            if other is not pivot:
                factor = other[i]
                other[:] = [a - factor * b for a, b in zip(other, pivot, strict=True)]
    return [row[-1] for row in rows]
