"""A distribution over C classes as a short series, and approximations of the series. All over a batch.

u [B, L] holds the C values and, between neighbours, `UPSAMPLING - 1` values of the cubic spline through them, so
that class c is sample UPSAMPLING * c.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from ..signals.types import Array, Bools

UPSAMPLING = 3
FLAT = 1e-12  # differences below it are rounding, not oscillation
SIFTED = 0.2  # relative change at which sifting ends (Huang et al. 1998, section 5)
SIFTINGS = 20  # at most
TINY = 1e-14  # directions with less than this share of the variance are rounding


@cache
def spline_matrix(classes: int) -> Array:
    """The linear map [L, C] from C values to the series: splines are linear in their values."""
    from scipy.interpolate import CubicSpline

    grid = np.arange(UPSAMPLING * (classes - 1) + 1) / UPSAMPLING
    matrix: Array = CubicSpline(np.arange(classes), np.eye(classes))(grid)
    matrix.setflags(write=False)
    return matrix


@cache
def polynomial_matrix(classes: int, degree: int) -> Array:
    """The linear map [C, C] from C values to the least-squares polynomial through the series, at the classes."""
    spline = spline_matrix(classes)
    grid = np.linspace(-1.0, 1.0, len(spline))
    basis = np.linalg.qr(np.polynomial.legendre.legvander(grid, min(degree, len(grid) - 1)))[0]
    matrix: Array = (basis @ (basis.T @ spline))[::UPSAMPLING]
    matrix.setflags(write=False)
    return matrix


def one_step_ahead(u: Array, psi: Array, rank: int) -> Array:
    """The series [B, L] as linear dynamics of its observables psi [B, d, L] predict it, each sample from the last.

    K = Psi_1.. Psi_0..^+ moves the observables on by a step, and c = u Psi_0..^+ reads the series off them; the
    pseudo-inverse keeps the `rank` largest singular values. u_0 is read off, u_{k+1} = c K psi_k.
    """
    x, y = psi[..., :-1], psi[..., 1:]
    variance, directions = np.linalg.eigh(x @ x.swapaxes(1, 2))  # ascending
    variance, directions = variance[:, -rank:], directions[..., -rank:]
    kept = variance > TINY * variance[:, -1:]
    inverse = np.where(kept, 1.0 / np.where(kept, variance, 1.0), 0.0)
    gram_inverse = (directions * inverse[:, None]) @ directions.swapaxes(1, 2)  # [B, d, d]
    read = u[:, None, :-1] @ x.swapaxes(1, 2) @ gram_inverse  # [B, 1, d]
    move = y @ x.swapaxes(1, 2) @ gram_inverse  # [B, d, d]
    first = read @ psi[..., :1]
    return np.concatenate([first, read @ move @ x], axis=-1)[:, 0]


def delays(u: Array) -> Array:
    """Each sample with the two before it [B, 3, L]; before the first, the first."""
    padded = np.concatenate([np.repeat(u[:, :1], UPSAMPLING - 1, axis=1), u], axis=1)
    return np.lib.stride_tricks.sliding_window_view(padded, UPSAMPLING, axis=1).swapaxes(1, 2)


def bumps(u: Array) -> Array:
    """Observables exp(-(u - i)^2 / 2), i = 0..10, of each sample [B, 11, L]."""
    return np.asarray(np.exp(-0.5 * (u[:, None, :] - np.arange(11.0)[:, None]) ** 2))


def fourier(u: Array, frequencies: Array, phases: Array) -> Array:
    """Observables sqrt(2 / d) cos(w_i u + b_i) of each sample [B, d, L]."""
    d = len(frequencies)
    angle = frequencies[:, None] * u[:, None, :] + phases[:, None]
    return np.asarray(np.sqrt(2.0 / d) * np.cos(angle))


def first_mode(u: Array) -> Array:
    """The first intrinsic mode of each series [B, L], by sifting (Huang et al. 1998, section 5).

    The mean of the spline envelopes through maxima and minima, both ends among them, is taken off until that
    changes less than the share SIFTED. A series that does not oscillate is its own mode.
    """
    mode, active = np.array(u), np.arange(len(u))
    for _ in range(SIFTINGS):
        h = mode[active]
        up, down = _maxima(h), _maxima(-h)
        oscillates = up.any(axis=1) & down.any(axis=1)
        active, h, up, down = active[oscillates], h[oscillates], up[oscillates], down[oscillates]
        if not len(active):
            break
        mean = 0.5 * (_envelope(h, up) + _envelope(h, down))
        mode[active] = h - mean
        active = active[(mean**2).sum(axis=1) >= SIFTED * (h**2).sum(axis=1)]
    return mode


def _maxima(u: Array) -> Bools:
    """Inner samples above the one before and not below the one behind [B, L]."""
    found = np.zeros(u.shape, dtype=bool)
    found[:, 1:-1] = (u[:, 1:-1] > u[:, :-2] + FLAT) & (u[:, 1:-1] >= u[:, 2:])
    return found


def _envelope(u: Array, knot: Bools) -> Array:
    """The natural cubic spline [B, L] of each series through its own knots and its two ends."""
    knot = knot.copy()
    knot[:, [0, -1]] = True
    count = knot.sum(axis=1)
    order = np.argsort(~knot, axis=1, kind="stable")[:, : count.max()]  # knots first, in order
    real = np.arange(order.shape[1]) < count[:, None]
    t = np.where(real, order, u.shape[1] + np.arange(order.shape[1])).astype(
        np.float64
    )  # padding: past the end
    v = np.where(real, np.take_along_axis(u, order, axis=1), 0.0)
    bend = _second_derivatives(t, v, count)
    return _evaluated(t, v, bend, np.cumsum(knot, axis=1) - 1, u.shape[1])


def _second_derivatives(t: Array, v: Array, count: NDArray[np.intp]) -> Array:
    """Second derivatives of natural splines through the first `count` of (t, v) [B, K], by tridiagonal systems."""
    step = np.diff(t, axis=1)
    slope = np.diff(v, axis=1) / step
    bend, above = np.zeros_like(v), np.zeros_like(v)
    inner = np.arange(t.shape[1]) < count[:, None] - 1
    for k in range(1, t.shape[1] - 1):  # forward
        pivot = 2.0 * (step[:, k - 1] + step[:, k]) - step[:, k - 1] * above[:, k - 1]
        right = 6.0 * (slope[:, k] - slope[:, k - 1]) - step[:, k - 1] * bend[:, k - 1]
        above[:, k] = np.where(inner[:, k], step[:, k] / pivot, 0.0)
        bend[:, k] = np.where(inner[:, k], right / pivot, 0.0)
    for k in range(t.shape[1] - 2, 0, -1):  # back
        bend[:, k] -= above[:, k] * bend[:, k + 1]
    return bend


def _evaluated(t: Array, v: Array, bend: Array, before: NDArray[np.intp], length: int) -> Array:
    """The splines at 0 .. length - 1, where `before` [B, L] says which knot lies at or before each sample."""
    left = np.minimum(before, before[:, -1:] - 1)  # the last sample belongs to the last interval
    t0, t1 = (np.take_along_axis(t, left + side, axis=1) for side in (0, 1))
    v0, v1 = (np.take_along_axis(v, left + side, axis=1) for side in (0, 1))
    m0, m1 = (np.take_along_axis(bend, left + side, axis=1) for side in (0, 1))
    h, x = t1 - t0, np.arange(length)
    b, a = (x - t0) / h, (t1 - x) / h
    return a * v0 + b * v1 + ((a**3 - a) * m0 + (b**3 - b) * m1) * h**2 / 6.0
