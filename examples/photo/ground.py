"""The land: height fields with trees on them, the shadows that they cast, and rays that meet them."""

import numpy as np

from photo.plan import (
    DAM_AXIS,
    DAM_CREST,
    DAM_RADIUS,
    HOUSE,
    LATTICE,
    PIPE,
    PIPE_RADIUS,
    SUN,
    WATER_LEVEL,
    F,
    fractal,
    mix,
    noise,
    smoothstep,
)


def valley_axis(y):
    return smoothstep(400, 1500, y) * 150 * np.sin((y - 400) / 520)


def bare_ground(x, y):
    """Height of rock and soil: a V-shaped valley that widens behind the dam and ends in a massif."""
    floor_width = 20 + 150 * smoothstep(310, 900, y)
    floor = 62 * smoothstep(1400, 1900, y) + 0.12 * np.maximum(y - 1900, 0)
    aside = np.maximum(np.abs(x - valley_axis(y)) - floor_width, 0)
    walls = 330 * (1 - np.exp(-0.72 * aside / 330))
    roughness = smoothstep(0, 260, aside)
    massif = smoothstep(1500, 3300, y)
    height = floor + walls
    height += (0.25 + roughness) * 26 * fractal(x / 420, y / 420, 8)
    height += roughness * (60 + 60 * massif) * (fractal(x / 900 + 3, y / 900, 8, ridged=True) - 0.6)
    height += massif * 200 * (fractal(x / 2300 + 8.4, y / 2300 + 1.7, 9, ridged=True) - 0.35)
    # The spur that the photographer stands on.
    spur = np.exp(-(((x + 96) / 40) ** 2 + ((y + 22) / 34) ** 2))
    return mix(height, 121.5 + 0.9 * fractal(x / 14, y / 14, 4), np.clip(spur * 1.25, 0, 1))


def pipe_distance(x, y):
    """Distance on the map to the penstock, and the height of its axis there."""
    distance, height = np.full_like(x, 1e9), np.zeros_like(x)
    for (ax, ay, az), (bx, by, bz) in zip(PIPE, PIPE[1:]):
        along = np.clip(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2), 0, 1)
        here = np.hypot(x - mix(ax, bx, along), y - mix(ay, by, along))
        height = np.where(here < distance, mix(az, bz, along), height)
        distance = np.minimum(distance, here)
    return distance, height


def graded_ground(x, y):
    """The ground after the builders: a cutting below the penstock, a yard for the powerhouse, a river bed."""
    height = bare_ground(x, y)
    distance, axis = pipe_distance(x, y)
    height = mix(height, axis - PIPE_RADIUS - 1.4, 1 - smoothstep(6, 26, distance))
    yard = np.hypot((x - HOUSE[0]) / 1.4, y - HOUSE[1])
    height = mix(height, 2.6, 1 - smoothstep(17, 36, yard))
    height = np.maximum(height, np.where(y < 285, 1.4, -50))
    river = np.abs(x - river_axis(y))
    bed = np.where(y < 285, 1 - smoothstep(5, 15, river), 0)
    height = mix(height, -0.6, bed)
    # The abutments: rock that the arch leans on.
    arch = np.abs(np.hypot(x - DAM_AXIS[0], y - DAM_AXIS[1]) - DAM_RADIUS + 4)
    ends = smoothstep(118, 140, np.abs(x)) * (y > 150) * (1 - smoothstep(8, 34, arch))
    return np.maximum(height, mix(height, DAM_CREST + 4, ends))


def river_axis(y):
    return -16 + 9 * np.sin(y / 38) + 0.05 * (y - 150)


class Field:
    """A height field with what grows on it, sampled bilinearly."""

    def __init__(self, x_range, y_range, cell):
        self.x0, self.y0, self.cell = x_range[0], y_range[0], cell
        x = np.arange(*x_range, cell, dtype=F)
        y = np.arange(*y_range, cell, dtype=F)
        self.x, self.y = np.meshgrid(x, y, indexing="ij")
        self.ground = graded_ground(self.x, self.y).astype(F)
        slope_x, slope_y = np.gradient(self.ground, cell)
        self.slope = np.hypot(slope_x, slope_y)
        self.tree, self.autumn = self.plant()
        self.height = self.ground + self.tree
        self.shadow = self.cast_shadow()

    def plant(self):
        """Conifers as cones, one per cell of a jittered grid where trees like to stand."""
        spacing = 6.5
        gi, gj = np.floor(self.x / spacing), np.floor(self.y / spacing)
        tree, autumn = np.zeros_like(self.ground), np.zeros_like(self.ground)
        likes = 0.35 + 1.6 * fractal(self.x / 130, self.y / 130, 4) - smoothstep(0.95, 1.5, self.slope) * 2
        likes -= smoothstep(210, 330, self.ground + 40 * noise(self.x / 90, self.y / 90)) * 2.5
        likes -= np.where(self.y > 255, 1 - smoothstep(WATER_LEVEL + 5, WATER_LEVEL + 9, self.ground), 0) * 9
        likes -= (1 - smoothstep(9, 16, pipe_distance(self.x, self.y)[0])) * 9
        likes -= (1 - smoothstep(24, 36, np.hypot((self.x - HOUSE[0]) / 1.4, self.y - HOUSE[1]))) * 9
        likes -= np.where(self.y < 285, 1 - smoothstep(9, 22, np.abs(self.x - river_axis(self.y))), 0) * 9
        likes -= (1 - smoothstep(60, 95, np.hypot(self.x + 82, self.y))) * 9
        arch = np.hypot(self.x - DAM_AXIS[0], self.y - DAM_AXIS[1]) - DAM_RADIUS
        likes -= np.where(self.y > 180, (1 - smoothstep(8, 26, np.abs(arch + 8))) * 9, 0)
        for di in (-1, 0, 1):
            for dj in (-1, 0, 1):
                ci, cj = (gi + di).astype(np.int64) & 511, (gj + dj).astype(np.int64) & 511
                u, v = LATTICE[ci, cj], LATTICE[cj, (ci + 99) & 511]
                cx, cy = (gi + di + 0.5 + 0.45 * u) * spacing, (gj + dj + 0.5 + 0.45 * v) * spacing
                size = LATTICE[(ci + 37) & 511, (cj + 11) & 511]
                top = 12.5 + 5 * size
                away = np.hypot(self.x - cx, self.y - cy)
                ragged = 1 + 0.35 * noise(self.x * 0.9 + 31 * u, self.y * 0.9)
                cone = top * (1 - away * ragged / (3.1 + 0.9 * v))
                cone = np.where(likes > 0.25 * LATTICE[(ci + 5) & 511, (cj + 77) & 511], cone, 0)
                taller = cone > tree
                tree = np.where(taller, cone, tree)
                autumn = np.where(taller, LATTICE[(ci + 60) & 511, cj], autumn)
        return tree.astype(F), autumn.astype(F)

    def cast_shadow(self):
        """The height below which the sun does not reach, by sliding the field along the light."""
        shadow = np.full_like(self.height, -1e9)
        flat = np.hypot(SUN[0], SUN[1])
        step = 1.0
        reach = self.height.max() / (SUN[2] / flat) / self.cell
        while step < min(reach, 700):
            dx, dy = int(round(SUN[0] / flat * step)), int(round(SUN[1] / flat * step))
            moved = np.full_like(shadow, -1e9)
            to_x, from_x = slice(max(0, -dx), min(0, -dx) or None), slice(max(0, dx), min(0, dx) or None)
            to_y, from_y = slice(max(0, -dy), min(0, -dy) or None), slice(max(0, dy), min(0, dy) or None)
            moved[to_x, to_y] = self.height[from_x, from_y]
            shadow = np.maximum(shadow, moved - np.hypot(dx, dy) * self.cell * SUN[2] / flat)
            step = step + 1 if step <= 16 else step * 1.06
        return shadow

    def sample(self, name, x, y):
        u, v = (x - self.x0) / self.cell, (y - self.y0) / self.cell
        array = getattr(self, name)
        u = np.clip(u, 0, array.shape[0] - 1.001)
        v = np.clip(v, 0, array.shape[1] - 1.001)
        i, j = u.astype(np.int32), v.astype(np.int32)
        fu, fv = (u - i).astype(F), (v - j).astype(F)
        return mix(mix(array[i, j], array[i + 1, j], fu), mix(array[i, j + 1], array[i + 1, j + 1], fu), fv)

    def holds(self, x, y):
        return (x > self.x0) & (x < -self.x0) & (y > self.y0) & (y < self.y0 + self.cell * (self.ground.shape[1] - 2))


class Terrain:
    def __init__(self):
        self.far = Field((-2300, 2300), (-100, 4600), 3.5)
        self.near = Field((-330, 330), (-60, 640), 0.5)

    def sample(self, name, x, y):
        value = self.far.sample(name, x, y)
        inside = self.near.holds(x, y)
        value[inside] = self.near.sample(name, x[inside], y[inside])
        return value

    def normal(self, x, y):
        step = np.where(self.near.holds(x, y), 0.5, 3.5).astype(F)
        dx = (self.sample("height", x + step, y) - self.sample("height", x - step, y)) / (2 * step)
        dy = (self.sample("height", x, y + step) - self.sample("height", x, y - step)) / (2 * step)
        normal = np.stack([-dx, -dy, np.ones_like(dx)], -1)
        return normal / np.linalg.norm(normal, axis=-1, keepdims=True)

    def cast(self, origin, direction, start, end, finest):
        """Distance to the first hit of each ray, or infinity. Steps grow with distance and with height above ground."""
        hit = np.full(len(direction), np.inf, F)
        t, alive = np.full(len(direction), start, F), np.arange(len(direction))
        before = t.copy()
        while len(alive):
            above = self.clearance(origin[alive], direction[alive], t[alive])
            found = above < 0
            hit[alive[found]] = t[alive[found]]
            before[alive[~found]] = t[alive[~found]]
            t[alive] += np.maximum(finest + 0.0011 * t[alive], 0.33 * above)
            gone = (t[alive] > end) | ((direction[alive, 2] > 0) & (above > 700))
            alive = alive[~found & ~gone]
        struck = np.flatnonzero(np.isfinite(hit))
        low, high = before[struck], hit[struck]
        for _ in range(5):
            middle = (low + high) / 2
            below = self.clearance(origin[struck], direction[struck], middle) < 0
            low, high = np.where(below, low, middle), np.where(below, middle, high)
        hit[struck] = high
        return hit

    def clearance(self, origin, direction, t):
        here = origin + direction * t[:, None]
        above = here[:, 2] - self.sample("height", here[:, 0], here[:, 1])
        # Beyond the map there is only sky.
        return np.where(self.far.holds(here[:, 0], here[:, 1]), above, 50)
