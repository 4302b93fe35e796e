"""What a ray sees: sky, ground, concrete, paint, water, and the air before them. All in linear light."""

import numpy as np

from photo.ground import pipe_distance, river_axis
from photo.plan import (
    DAM_AXIS,
    DAM_CREST,
    DAM_RADIUS,
    HOUSE,
    LATTICE,
    SUN,
    WATER_LEVEL,
    F,
    fractal,
    mix,
    noise,
    smoothstep,
)
from photo.solids import cast_all

SUN_COLOUR = np.array([1.95, 1.62, 1.22], F)
SKY_LIGHT = np.array([0.34, 0.44, 0.62], F)


def sky(direction):
    up = np.clip(direction[:, 2], 0, 1)[:, None]
    colour = mix(np.array([0.80, 0.86, 0.92], F), np.array([0.17, 0.36, 0.72], F), 1 - np.exp(-up * 5.0))
    towards_sun = np.clip(direction @ SUN, 0, 1)[:, None]
    colour = colour + SUN_COLOUR * (0.22 * towards_sun**6 + 0.5 * towards_sun**60)
    # Clouds on a plane; far ones crowd together at the horizon and fade into the haze.
    reach = 1 / np.maximum(direction[:, 2] + 0.045, 0.02)
    x, y = direction[:, 0] * reach, direction[:, 1] * reach
    body = fractal(x * 0.42 + 3.1, y * 0.30 + 5.2, 7) + 0.35 * noise(x * 0.13 + 8, y * 0.13 + 2)
    thick = smoothstep(0.04, 0.62, body)
    lit = smoothstep(-0.35, 0.45, fractal(x * 0.42 + 3.1 - 0.12, y * 0.30 + 5.2 + 0.03, 5) - body + 0.12)
    cloud = mix(np.array([1.16, 1.12, 1.06], F), np.array([0.70, 0.74, 0.82], F), lit[:, None])
    cover = (thick * smoothstep(0.0, 0.10, direction[:, 2]))[:, None]
    return mix(colour, cloud, cover * 0.92)


def lit(colour, normal, sunny, ambient):
    facing = np.clip(normal @ SUN, 0, 1)[:, None] * sunny[:, None]
    from_sky = (0.55 + 0.45 * normal[:, 2:3]) * ambient[:, None]
    bounce = np.array([0.10, 0.095, 0.07], F) * np.clip(0.6 - 0.6 * normal[:, 2:3], 0, 1)
    return colour * (SUN_COLOUR * facing + SKY_LIGHT * from_sky + bounce)


def sunlight(terrain, at):
    depth = at[:, 2] - terrain.sample("shadow", at[:, 0], at[:, 1])
    return smoothstep(-1.2, 1.6, depth)


def ground_colour(terrain, at, normal):
    x, y, z = at.T
    tree = terrain.sample("tree", x, y)
    slope = terrain.sample("slope", x, y)
    patch, grain = fractal(x / 37, y / 37, 5), fractal(x * 1.3, y * 1.3, 4)
    meadow = mix(
        np.array([0.19, 0.23, 0.075], F), np.array([0.36, 0.31, 0.12], F), smoothstep(-0.4, 0.5, patch)[:, None]
    )
    strata = fractal(x / 45 + z / 30, z / 16 + y / 45, 6) + 0.5 * grain
    rock = mix(
        np.array([0.27, 0.245, 0.22], F), np.array([0.46, 0.43, 0.39], F), smoothstep(-0.5, 0.5, strata)[:, None]
    )
    bare = smoothstep(0.86, 1.22, slope + 0.45 * patch + 0.15 * grain + smoothstep(230, 420, z) * 0.55)
    colour = mix(meadow, rock, bare[:, None])
    snow = smoothstep(330, 430, z + 60 * patch) * (1 - smoothstep(0.9, 1.5, slope - 0.2 * patch))
    colour = mix(colour, np.array([0.88, 0.91, 0.96], F), snow[:, None])
    # The band that the lake bares when it sinks, and the gravel of the river.
    band = (1 - smoothstep(WATER_LEVEL + 3.2, WATER_LEVEL + 5.2, z + 1.2 * patch)) * (y > 255)
    gravel = (1 - smoothstep(10, 17, np.abs(x - river_axis(y)) + 6 * patch)) * (y < 285)
    colour = mix(colour, np.array([0.47, 0.43, 0.36], F), np.maximum(band, gravel * 0.8)[:, None])
    yard = 1 - smoothstep(20, 28, np.hypot((x - HOUSE[0]) / 1.4, y - HOUSE[1]) + 5 * patch)
    track = 1 - smoothstep(3.6, 6.5, pipe_distance(x, y)[0] + 2 * patch)
    colour = mix(colour, np.array([0.40, 0.36, 0.30], F), np.maximum(yard, track)[:, None] * 0.85)
    autumn = smoothstep(0.35, 0.75, terrain.sample("autumn", x, y) + 0.5 * patch)
    needles = mix(np.array([0.050, 0.085, 0.035], F), np.array([0.46, 0.27, 0.050], F), autumn[:, None])
    # Branches: whorls up the trunk, broken up by noise.
    whorl = noise(x * 2.1 + z * 0.7, z * 1.9 + y * 1.3) + 0.5 * noise(x * 4.3, z * 4.1 + y * 3.1)
    needles = needles * np.maximum(0.62 + 0.05 * tree + 1.1 * whorl, 0.18)[:, None]
    wooded = smoothstep(0.2, 1.2, tree)
    colour = mix(colour * (1 + 0.35 * grain)[:, None], needles, wooded[:, None])
    return np.clip(colour, 0.01, 1), wooded


def dam_colour(at):
    x, y, z = at.T
    angle = np.arctan2(x - DAM_AXIS[0], y - DAM_AXIS[1])
    along = angle * DAM_RADIUS
    stains = fractal(along / 5, z / 60, 5) + 0.6 * fractal(along / 1.1, z / 26, 3)
    block = LATTICE[(np.floor(along / 13).astype(int)) & 511, (np.floor(z / 6).astype(int)) & 511]
    value = 0.50 + 0.035 * block + 0.085 * stains + 0.02 * noise(x * 4, z * 4)
    joint = np.minimum(np.abs((along / 13) % 1 - 0.5) * -13 + 6.5, np.abs((z / 6) % 1 - 0.5) * -6 + 3)
    value = value * (0.82 + 0.18 * smoothstep(0.05, 0.28, joint))
    value *= 0.74 + 0.26 * smoothstep(2, 30, z + 5 * stains)
    # Five overflow openings below the road.
    bay = np.abs((along / 11 + 0.5) % 1 - 0.5) * 11
    opening = (np.abs(along + 5) < 28) & (bay < 3.4) & (z > DAM_CREST - 8.2) & (z < DAM_CREST - 4.2)
    value = np.where(opening, 0.05, value)
    streak = (np.abs(along + 5) < 28) & (bay < 3.0) & (z < DAM_CREST - 8.2)
    value = np.where(streak, value * (0.72 + 0.28 * smoothstep(0, 50, DAM_CREST - z)), value)
    return np.clip(value, 0.02, 1)[:, None] * np.array([1.0, 0.965, 0.90], F)


PAINT = {
    "road": (0.33, 0.32, 0.31),
    "pipe": (0.20, 0.33, 0.37),
    "ring": (0.15, 0.25, 0.28),
    "concrete": (0.52, 0.50, 0.46),
    "wall": (0.66, 0.60, 0.49),
    "roof": (0.33, 0.13, 0.085),
}


def solid_colour(name, at, normal):
    if name == "dam":
        return dam_colour(at)
    colour = np.broadcast_to(np.array(PAINT[name], F), at.shape)
    weather = 1 + 0.18 * fractal(at[:, 0] * 0.7 + at[:, 2] * 0.4, at[:, 1] * 0.7, 5)
    if name == "wall":
        # Tall windows between pilasters.
        along = at[:, 0] * np.cos(0.22) + at[:, 1] * np.sin(0.22)
        pane = (np.abs((along / 4.2) % 1 - 0.5) < 0.27) & (at[:, 2] > 4.5) & (at[:, 2] < 10.5) & (at[:, 1] < 200)
        colour = np.where(pane[:, None], np.array([0.06, 0.075, 0.09], F), colour)
    return colour * weather[:, None]


def shade(terrain, at, direction, material, normal):
    """Colours of the hits of `cast_all`, in linear light, before haze."""
    colour = np.zeros_like(at)
    colour[material == "sky"] = sky(direction[material == "sky"])
    ground = material == "ground"
    if ground.any():
        where = at[ground]
        normals = terrain.normal(where[:, 0], where[:, 1])
        tone, wooded = ground_colour(terrain, where, normals)
        # Deep between trees little of the sky is seen.
        ambient = mix(1.0, np.clip(terrain.sample("tree", where[:, 0], where[:, 1]) / 11, 0.15, 1.1), wooded)
        colour[ground] = lit(tone, normals, sunlight(terrain, where), ambient)
    for name in ("dam", *PAINT):
        chosen = material == name
        if not chosen.any():
            continue
        where, facing = at[chosen], normal[chosen]
        sunny = sunlight(terrain, where + facing * 1.5 + SUN * 1.5)
        tone = lit(solid_colour(name, where, facing), facing, sunny, np.ones(len(where), F))
        if name in ("pipe", "ring"):
            half = SUN - direction[chosen]
            half /= np.linalg.norm(half, axis=-1, keepdims=True)
            gloss = np.clip((facing * half).sum(-1), 0, 1)[:, None] ** 40
            mirrored = direction[chosen] - 2 * (direction[chosen] * facing).sum(-1, keepdims=True) * facing
            tone = tone + SUN_COLOUR * gloss * 0.55 * sunny[:, None] + 0.06 * sky(mirrored)
        colour[chosen] = tone
    return colour


def haze(colour, distance, direction):
    """Air between us and the things: blue in the distance, golden towards the sun."""
    thickness = 1 - np.exp(-((np.maximum(distance - 150, 0) / 6200) ** 1.1))[:, None]
    towards_sun = np.clip(direction @ SUN, 0, 1)[:, None]
    air = np.array([0.50, 0.62, 0.80], F) + SUN_COLOUR * 0.12 * towards_sun**4
    return mix(colour, air, np.clip(thickness, 0, 1))


def water(terrain, solids, at, direction, distance):
    """The lake and the river: a mirror that ripples, over a green depth."""
    x, y = at[:, 0], at[:, 1]
    calm = 0.006 + 0.022 * smoothstep(-0.1, 0.45, fractal(x / 190, y / 70, 3))
    calm = calm / (1 + distance / 700)
    ripple = fractal(x / 1.9, y / 0.9, 4), fractal(x / 1.9 + 40, y / 0.9 + 7, 4)
    normal = np.stack([calm * ripple[0], 1.6 * calm * ripple[1], np.ones_like(x)], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    mirrored = direction - 2 * (direction * normal).sum(-1, keepdims=True) * normal
    mirrored[:, 2] = np.abs(mirrored[:, 2]) + 1e-3
    reach, material, facing = cast_all(terrain, solids, at, mirrored, 4200, finest=1.0)
    struck = np.where(np.isfinite(reach), reach, 0)
    seen = shade(terrain, at + mirrored * struck[:, None], mirrored, material, facing)
    seen = np.where((material != "sky")[:, None], haze(seen, struck + distance * 0.3, mirrored), seen)
    graze = np.clip(1 + (direction * normal).sum(-1), 0, 1)
    mirror = (0.03 + 0.97 * graze**5)[:, None]
    depth = np.array([0.030, 0.135, 0.145], F) * (0.5 + 0.8 * sunlight(terrain, at))[:, None]
    return mix(depth, seen * np.array([0.94, 0.97, 1.0], F), np.clip(mirror * 1.15 + 0.06, 0, 0.95))
