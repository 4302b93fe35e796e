"""What people built: the dam, the penstock, the houses. Each solid is met by an exact formula, not by steps."""

import numpy as np

from photo.plan import (
    DAM_AXIS,
    DAM_BATTER,
    DAM_CREST,
    DAM_RADIUS,
    DAM_ROAD,
    HOUSE,
    PIPE,
    PIPE_RADIUS,
    WATER_LEVEL,
    F,
    mix,
)


def near_root(a, b, c, accepts):
    """The smallest positive root of a t^2 + 2 b t + c that is accepted, or infinity."""
    root = np.sqrt(np.maximum(b * b - a * c, 0))
    best = np.full(a.shape, np.inf, F)
    for t in ((-b - root) / a, (-b + root) / a):
        fine = (b * b >= a * c) & (t > 0.5) & (t < best)
        fine[fine] = accepts(t[fine], fine)
        best = np.where(fine, t, best)
    return best


def hit_dam_face(origin, direction, slope, radius, z_low, z_high):
    """A cone around the arch's axis: its radius is `radius` at the crest and shrinks by `slope` per metre below."""
    px, py = origin[:, 0] - DAM_AXIS[0], origin[:, 1] - DAM_AXIS[1]
    base, grow = radius - slope * (DAM_CREST - origin[:, 2]), slope * direction[:, 2]
    a = direction[:, 0] ** 2 + direction[:, 1] ** 2 - grow**2
    b = px * direction[:, 0] + py * direction[:, 1] - base * grow
    c = px**2 + py**2 - base**2

    def on_wall(t, chosen):
        here = origin[chosen] + direction[chosen] * t[:, None]
        return (here[:, 2] > z_low) & (here[:, 2] < z_high) & (here[:, 1] > DAM_AXIS[1] + 60)

    t = near_root(a, b, c, on_wall)
    here = origin + direction * np.where(np.isfinite(t), t, 0)[:, None]
    outward = np.stack([DAM_AXIS[0] - here[:, 0], DAM_AXIS[1] - here[:, 1], np.zeros_like(t)], -1)
    outward /= np.linalg.norm(outward, axis=-1, keepdims=True) + 1e-9
    outward[:, 2] = slope
    return t, outward / np.linalg.norm(outward, axis=-1, keepdims=True)


def hit_dam_road(origin, direction):
    t = (DAM_CREST - origin[:, 2]) / np.where(direction[:, 2] == 0, 1e-6, direction[:, 2])
    here = origin + direction * np.clip(t, 0, 5000)[:, None]
    radius = np.hypot(here[:, 0] - DAM_AXIS[0], here[:, 1] - DAM_AXIS[1])
    fine = (t > 0) & (radius < DAM_RADIUS) & (radius > DAM_RADIUS - DAM_ROAD) & (here[:, 1] > DAM_AXIS[1] + 60)
    return np.where(fine, t, np.inf), np.broadcast_to(np.array([0, 0, 1], F), here.shape)


def hit_tube(origin, direction, a, b, radius):
    axis = np.subtract(b, a).astype(F)
    length = np.linalg.norm(axis)
    axis /= length
    offset = origin - np.array(a, F)
    along_ray, along_offset = direction @ axis, offset @ axis
    d, o = direction - along_ray[:, None] * axis, offset - along_offset[:, None] * axis

    def on_tube(t, chosen):
        along = along_offset[chosen] + t * along_ray[chosen]
        return (along > 0) & (along < length)

    t = near_root((d * d).sum(-1), (d * o).sum(-1), (o * o).sum(-1) - radius**2, on_tube)
    return t, (o + d * np.where(np.isfinite(t), t, 0)[:, None]) / radius


def hit_convex(origin, direction, planes):
    """A convex body given by outward normals and offsets."""
    enter, leave = np.zeros(len(direction), F), np.full(len(direction), np.inf, F)
    normal = np.zeros_like(direction)
    for facing, offset in planes:
        facing = np.array(facing, F) / np.linalg.norm(facing)
        speed = direction @ facing
        speed = np.where(np.abs(speed) < 1e-7, 1e-7, speed)
        t = (offset - origin @ facing) / speed
        later = (speed < 0) & (t > enter)
        normal[later] = facing
        enter = np.where(later, t, enter)
        leave = np.where(speed > 0, np.minimum(leave, t), leave)
    return np.where((enter < leave) & (enter > 0), enter, np.inf), normal


def box(centre, half, turn=0.0, roof=0.0):
    """Planes of an upright box; with `roof` its top becomes two slopes that meet above the middle."""
    c, s = np.cos(turn), np.sin(turn)
    planes = []
    for facing, reach in (((c, s, 0), half[0]), ((-c, -s, 0), half[0]), ((-s, c, 0), half[1]), ((s, -c, 0), half[1])):
        planes.append((facing, np.dot(facing, centre) + reach))
    planes.append(((0, 0, -1), -centre[2] + half[2]))
    if not roof:
        return planes + [((0, 0, 1), centre[2] + half[2])]
    for sign in (1, -1):
        facing = np.array([-s * sign * roof, c * sign * roof, 1]) / np.hypot(roof, 1)
        eaves = np.array([-s * sign * half[1], c * sign * half[1], half[2]]) + centre
        planes.append((facing, float(facing @ eaves)))
    return planes


def scene_solids():
    """Every solid as (material, function from rays to distance and normal)."""
    solids = [("dam", lambda o, d: hit_dam_face(o, d, DAM_BATTER, DAM_RADIUS - DAM_ROAD, -5, DAM_CREST - 3))]
    solids.append(
        ("dam", lambda o, d: hit_dam_face(o, d, 0, DAM_RADIUS - DAM_ROAD - 1.2, DAM_CREST - 3, DAM_CREST + 1.1))
    )
    solids.append(("dam", lambda o, d: hit_dam_face(o, d, 0, DAM_RADIUS, WATER_LEVEL - 4, DAM_CREST + 1.1)))
    solids.append(("road", hit_dam_road))

    def tube(a, b, radius):
        return lambda o, d: hit_tube(o, d, a, b, radius)

    def body(planes):
        return lambda o, d: hit_convex(o, d, planes)

    for a, b in zip(PIPE, PIPE[1:]):
        a, b = np.array(a), np.array(b)
        solids.append(("pipe", tube(a, b, PIPE_RADIUS)))
        length = np.linalg.norm(b - a)
        turn = np.arctan2(b[1] - a[1], b[0] - a[0])
        for along in np.arange(6, length, 13):
            at = mix(a, b, along / length)
            ring = (b - a) / length * 0.45
            solids.append(("ring", tube(at - ring, at + ring, PIPE_RADIUS + 0.28)))
            solids.append(("concrete", body(box(at - [0, 0, 3.2], (1.0, 3.5, 2.4), turn))))
        solids.append(("concrete", body(box(b - [0, 0, 1.2], (4.2, 4.6, 4.4), turn))))
    turn = 0.22
    house = np.array([HOUSE[0], HOUSE[1], 7.5])
    solids.append(("wall", body(box(house, (15, 7.5, 6.0), turn))))
    solids.append(("roof", body(box(house + [0, 0, 6.3], (15.8, 8.4, 0.35), turn, roof=0.5))))
    for angle in (-0.42, 0.30):
        turned = [DAM_AXIS[0] + (DAM_RADIUS - 3.5) * np.sin(angle), DAM_AXIS[1] + (DAM_RADIUS - 3.5) * np.cos(angle)]
        centre = np.array([*turned, DAM_CREST + 3])
        solids.append(("wall", body(box(centre, (4.2, 3.0, 3.2), -angle))))
        solids.append(("roof", body(box(centre + [0, 0, 3.3], (4.7, 3.5, 0.25), -angle, roof=0.6))))
    return solids


def cast_all(terrain, solids, origin, direction, end, finest=0.25):
    """Nearest hit of everything but water: distance, material name, normal of solids."""
    t = terrain.cast(origin, direction, 0.5, end, finest)
    material = np.where(np.isfinite(t), "ground", "sky").astype("<U8")
    normal = np.zeros_like(direction)
    for name, solid in solids:
        distance, facing = solid(origin, direction)
        nearer = distance < t
        t, material = np.where(nearer, distance, t), np.where(nearer, name, material)
        normal[nearer] = facing[nearer]
    return t, material, normal
