"""Where everything stands, and the noise that everything is made of; the other modules all start from here.

Lengths are metres: x to the right, y away from the viewer, z up. The valley runs along y, the dam closes it at y = 300.
"""

import numpy as np

SEED = 20_261_122
F = np.float32

SUN = np.array([-0.80, -0.22, 0.52], F)
SUN /= np.linalg.norm(SUN)

WATER_LEVEL = 61.0
DAM_AXIS = (0.0, 110.0)  # centre of the arch
DAM_RADIUS, DAM_CREST, DAM_ROAD, DAM_BATTER = 190.0, 70.0, 7.0, 0.20
PIPE = [(101, 260, 47.0), (83, 231, 31.0), (54, 206, 7.5)]
PIPE_RADIUS = 2.6
HOUSE = (36.0, 195.0)

rng = np.random.default_rng(SEED)
LATTICE = rng.uniform(-1, 1, (512, 512)).astype(F)
GRADIENT = rng.uniform(0, 2 * np.pi, (512, 512)).astype(F)
GRADIENT_X, GRADIENT_Y = np.cos(GRADIENT), np.sin(GRADIENT)


def smoothstep(low, high, value):
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def mix(a, b, weight):
    return a + (b - a) * weight


def noise(x, y):
    """Gradient noise, about -0.7 to 0.7."""
    x0, y0 = np.floor(x), np.floor(y)
    fx, fy = (x - x0).astype(F), (y - y0).astype(F)
    i, j = x0.astype(np.int64) & 511, y0.astype(np.int64) & 511
    i1, j1 = (i + 1) & 511, (j + 1) & 511

    def corner(ci, cj, dx, dy):
        return GRADIENT_X[ci, cj] * dx + GRADIENT_Y[ci, cj] * dy

    u, v = fx**3 * (fx * (fx * 6 - 15) + 10), fy**3 * (fy * (fy * 6 - 15) + 10)
    low = mix(corner(i, j, fx, fy), corner(i1, j, fx - 1, fy), u)
    high = mix(corner(i, j1, fx, fy - 1), corner(i1, j1, fx - 1, fy - 1), u)
    return mix(low, high, v)


def fractal(x, y, octaves, ridged=False):
    total, weight, previous = 0, 1.0, 1.0
    for octave in range(octaves):
        # Turning each octave hides the lattice.
        x, y = 1.6 * x + 1.2 * y + 17.3, 1.6 * y - 1.2 * x + 9.1
        value = noise(x, y)
        if ridged:
            value = (1 - np.abs(value) * 2.2) ** 2 * previous
            previous = np.clip(value, 0, 1)
        total = total + value * weight
        weight *= 0.5
    return total
