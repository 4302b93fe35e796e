#!/usr/bin/env python3
"""Renders my_image.jpg: an arch dam, its lake, and a penstock leading down to the powerhouse.

A small ray caster over two height fields (fine near the dam, coarse for the mountains) with a few exact solids.
Everything random comes from one seed, so the same versions of numpy and pillow make the same file.

    python3 -m venv venv && venv/bin/pip install numpy pillow
    venv/bin/python make_photo.py my_image.jpg            # two minutes; --scale 0.3 for a quick look
"""

import argparse

import numpy as np
from PIL import Image

from photo.ground import Terrain
from photo.light import haze, shade, water
from photo.plan import DAM_AXIS, DAM_RADIUS, SEED, WATER_LEVEL, F, mix, smoothstep
from photo.solids import cast_all, scene_solids

WIDTH, HEIGHT = 1600, 1067
CAMERA = np.array([-82, 0, 121], F)
LOOK_AT = np.array([4, 300, 74], F)
FIELD_OF_VIEW = np.radians(60)


def rays(width, height):
    forward = (LOOK_AT - CAMERA) / np.linalg.norm(LOOK_AT - CAMERA)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    reach = np.tan(FIELD_OF_VIEW / 2)
    jitter = np.random.default_rng(SEED + 1).uniform(-0.5, 0.5, (2, height, width))
    u = ((np.arange(width) + 0.5 + jitter[0]) / width * 2 - 1) * reach
    v = (1 - (np.arange(height)[:, None] + 0.5 + jitter[1]) / height * 2) * reach * height / width
    direction = forward + u[..., None] * right + v[..., None] * up
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    return direction.reshape(-1, 3).astype(F)


def expose(terrain, solids, direction):
    """Colour and distance for a batch of rays."""
    origin = np.broadcast_to(CAMERA, direction.shape)
    t, material, normal = cast_all(terrain, solids, origin, direction, 6500)
    level = np.where(direction[:, 2] < 0, (WATER_LEVEL - CAMERA[2]) / np.minimum(direction[:, 2], -1e-6), np.inf)
    lake = origin + direction * np.where(np.isfinite(level), level, 0)[:, None]
    behind = np.hypot(lake[:, 0] - DAM_AXIS[0], lake[:, 1] - DAM_AXIS[1]) > DAM_RADIUS - 3
    wet = (level < t) & behind & (lake[:, 1] > 225)
    low = np.where(direction[:, 2] < 0, (0.4 - CAMERA[2]) / np.minimum(direction[:, 2], -1e-6), np.inf)
    river = origin + direction * np.where(np.isfinite(low), low, 0)[:, None]
    wet_river = (low < t) & (river[:, 1] < 285) & ~wet
    surface = np.where(wet, level, low)
    any_wet = wet | wet_river
    t = np.where(any_wet, surface, t)
    at = origin + direction * np.where(np.isfinite(t), t, 0)[:, None]
    colour = np.zeros_like(direction)
    dry = ~any_wet
    colour[dry] = shade(terrain, at[dry], direction[dry], material[dry], normal[dry])
    if any_wet.any():
        colour[any_wet] = water(terrain, solids, at[any_wet], direction[any_wet], t[any_wet])
    solid = np.isfinite(t)
    colour[solid] = haze(colour[solid], t[solid], direction[solid])
    return colour, np.where(solid, t, 1e4)


def blurred(image, radius):
    """Three box blurs: near enough to what a lens does."""
    size = max(1, int(round(radius)))
    for axis in (0, 1) * 3:
        padded = np.pad(image, [(size + 1, size) if a == axis else (0, 0) for a in range(image.ndim)], mode="edge")
        summed = padded.astype(np.float64).cumsum(axis)
        count, window = image.shape[axis], 2 * size + 1
        sums = summed.take(range(window, window + count), axis) - summed.take(range(count), axis)
        image = (sums / window).astype(F)
    return image


def focus(image, distance):
    """Depth of field: what is nearer than the dam softens, and the farthest peaks a little."""
    scale = image.shape[1] / WIDTH
    softness = np.clip(900 / np.maximum(distance, 3) - 900 / 95, 0, 60) * 0.30 * scale
    softness = blurred(softness[..., None], 4 * scale)[..., 0]
    result = image
    for radius in (1.5, 3, 6, 11):
        radius *= scale
        result = mix(result, blurred(image, radius), smoothstep(radius * 0.4, radius * 1.2, softness)[..., None])
    return result


def develop(image):
    """Bloom, tone curve, vignette and grain: from light to eight bits."""
    height, width = image.shape[:2]
    glow = blurred(np.maximum(image - 0.85, 0), width / 70)
    image = image * 0.70 + glow * 0.30
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    image = image * (1 - 0.17 * (x**2 + 0.7 * y**2))[..., None]
    image = image * (2.51 * image + 0.03) / (image * (2.43 * image + 0.59) + 0.14)
    grey = image.mean(-1, keepdims=True)
    image = mix(grey, image, 1.08)
    image = np.clip(image, 0, 1) ** (1 / 2.2)
    grain = np.random.default_rng(SEED + 2).normal(0, 1, (height, width, 1))
    image = image + (0.6 * grain + 0.4 * blurred(grain, 1)) * 0.011
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)


def main():
    parser = argparse.ArgumentParser(description="Renders the sample photo")
    parser.add_argument("output")
    parser.add_argument("--scale", type=float, default=1.0, help="size of the picture against 1600x1067")
    parser.add_argument("--samples", type=int, default=2, help="rays along each side of a pixel")
    options = parser.parse_args()
    width, height = round(WIDTH * options.scale), round(HEIGHT * options.scale)
    terrain, solids = Terrain(), scene_solids()
    direction = rays(width * options.samples, height * options.samples)
    batches = [expose(terrain, solids, batch) for batch in np.array_split(direction, len(direction) // 150_000 + 1)]
    shape = (height, options.samples, width, options.samples)
    # A single bright ray must not spoil its pixel.
    image = np.clip(np.concatenate([colour for colour, _ in batches]), 0, 4).reshape(*shape, 3).mean((1, 3))
    distance = np.concatenate([far for _, far in batches]).reshape(shape).min((1, 3))
    picture = Image.fromarray(develop(focus(image, distance)), "RGB")
    picture.save(options.output, quality=88, subsampling="4:2:0", optimize=True, progressive=False)


if __name__ == "__main__":
    main()
