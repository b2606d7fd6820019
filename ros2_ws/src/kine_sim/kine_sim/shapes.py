"""Small triangle meshes made in code: loaf, carrot and plate. Visual only, so none has to be convex."""

from __future__ import annotations

from math import pi

import numpy as np

from kine_sim import layout

Profile = list[tuple[float, float, float]]


def _mesh_xml(name: str, vertices: np.ndarray, faces: np.ndarray) -> str:
    vertex = " ".join(f"{v:.5f}" for v in vertices.ravel())
    face = " ".join(str(int(f)) for f in faces.ravel())
    return f'<mesh name="{name}" vertex="{vertex}" face="{face}"/>'


def _grid_faces(rows: int, columns: int) -> np.ndarray:
    """Faces of a closed grid: rows of `columns` vertices, columns wrap around."""
    faces = []
    for r in range(rows - 1):
        for c in range(columns):
            a, b = r * columns + c, r * columns + (c + 1) % columns
            faces += [(a, b, b + columns), (a, b + columns, a + columns)]
    return np.array(faces)


def rings_along_x(name: str, profile: Profile, columns: int = 20) -> str:
    """Mesh of round rings along x: profile rows are (x, radius, z of the ring's centre)."""
    angle = np.arange(columns) * 2 * pi / columns
    rings = [
        np.stack([np.full(columns, x), r * np.cos(angle), z + r * np.sin(angle)], 1) for x, r, z in profile
    ]
    return _mesh_xml(name, np.concatenate(rings), _grid_faces(len(profile), columns))


def turned_about_z(name: str, profile: list[tuple[float, float]], columns: int = 40) -> str:
    """Mesh turned about z: profile rows are (radius, z), from the inside top to the inside bottom."""
    angle = np.arange(columns) * 2 * pi / columns
    rings = [np.stack([r * np.cos(angle), r * np.sin(angle), np.full(columns, z)], 1) for r, z in profile]
    return _mesh_xml(name, np.concatenate(rings), _grid_faces(len(profile), columns)[:, ::-1])


def loaf(name: str) -> str:
    """A loaf: a box of the bread's size with rounded edges (a superquadric)."""
    a, b, c = layout.BREAD_HALF_M
    rows, columns, power = 13, 24, 0.45
    latitude = np.linspace(-pi / 2 + 1e-3, pi / 2 - 1e-3, rows)
    longitude = np.arange(columns) * 2 * pi / columns

    def signed_power(v: np.ndarray) -> np.ndarray:
        return np.sign(v) * np.abs(v) ** power

    rings = []
    for t in latitude:
        round_part = np.abs(np.cos(t)) ** power
        y = b * round_part * signed_power(np.cos(longitude))
        z = c * round_part * signed_power(np.sin(longitude))
        rings.append(np.stack([np.full(columns, a * float(signed_power(np.sin(t)))), y, z], 1))
    return _mesh_xml(name, np.concatenate(rings), _grid_faces(rows, columns))


def carrot_part(name: str, upper: bool) -> str:
    """One half of the carrot, lying: every ring touches the table, the tip is thin."""
    half = layout.CARROT_HALF_LENGTH_M
    share = np.array(
        [0.5, 0.6, 0.75, 0.88, 0.95, 0.985, 1.0] if upper else [0.0, 0.012, 0.05, 0.15, 0.3, 0.5]
    )
    radius = np.interp(
        share,
        [0.0, 0.012, 0.05, 0.15, 0.3, 0.5, 0.75, 0.95, 0.985, 1.0],
        [0.0004, 0.003, 0.0055, 0.0092, 0.0118, 0.0133, 0.0148, 0.0148, 0.0115, 0.0004],
    )
    profile = [
        (float((2 * s - 1) * half), float(r), float(r - layout.CARROT_HALF_HEIGHT_M - 0.0003))
        for s, r in zip(share, radius, strict=True)
    ]
    return rings_along_x(name, profile)


def plate(name: str) -> str:
    """A shallow plate: flat bottom, raised rim."""
    top, rim = layout.PLATE_THICKNESS_M, layout.PLATE_RIM_RADIUS_M
    profile = [(0.0005, top), (0.092, top), (0.104, 0.012), (rim, 0.013), (rim, 0.011), (0.092, 0.0005)]
    return turned_about_z(name, profile)
