"""The built-in table: real monolayers, so that the demo needs no database.

Each entry holds the lattice constants and the few internal numbers that its prototype leaves
free, as published; most are layers of bulk crystals as diffraction saw them, the others were
relaxed by density functional theory.

>>> molybdenite = next(entry for entry in monolayers() if entry.name == "2H-MoS2")
>>> molybdenite.atoms().get_chemical_formula("metal")
'MoS2'
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from exitwave.materials.unit_cells import VACUUM

# One atom: symbol, fractional coordinates along a and b, height [Å].
_Site = tuple[str, float, float, float]
_Numbers = tuple[float, ...]
_Layer = tuple[tuple[_Numbers, _Numbers], list[_Site]]
_Prototype = Callable[[tuple[str, ...], _Numbers, _Numbers], _Layer]


@dataclass(frozen=True)
class Monolayer:
    """One material of the built-in table.

    Attributes
    ----------
    name : str
        Name by which it can be selected.
    prototype : str
        Name of the structure type.
    species : tuple of str
        Elements in the order of the prototype's sites.
    lattice : tuple of float
        Lengths of a and, unless it is the same, b [Å].
    internal : tuple of float
        Free parameters of the prototype: heights [Å] or fractional coordinates.
    source : str
        Where the numbers were published.
    """

    name: str
    prototype: str
    species: tuple[str, ...]
    lattice: tuple[float, ...]
    internal: tuple[float, ...]
    source: str

    def atoms(self) -> Atoms:
        """Return the unit cell, periodic in the plane, centred between vacuum."""
        (a, b), sites = _PROTOTYPES[self.prototype](self.species, self.lattice, self.internal)
        heights = [site[3] for site in sites]
        lowest = min(heights)
        c = max(heights) - lowest + 2 * VACUUM
        positions = [
            (u * a[0] + v * b[0], u * a[1] + v * b[1], height - lowest + VACUUM)
            for _, u, v, height in sites
        ]
        return Atoms(
            [site[0] for site in sites],
            positions=np.array(positions),
            cell=[(*a, 0.0), (*b, 0.0), (0.0, 0.0, c)],
            pbc=(True, True, False),
        )


# The three positions of close-packed layers.
_STACKING = {"A": (0.0, 0.0), "B": (1 / 3, 2 / 3), "C": (2 / 3, 1 / 3)}


def _stack(lattice: _Numbers, *atoms: tuple[str, str, float]) -> _Layer:
    """Layers of a hexagonal stacking: symbol, position and height [Å] of each."""
    (a,) = lattice
    cell = ((a, 0.0), (-a / 2, a * math.sqrt(3) / 2))
    return cell, [(symbol, *_STACKING[position], height) for symbol, position, height in atoms]


def _rectangle(lattice: _Numbers, *sites: _Site) -> _Layer:
    a, b = lattice[0], lattice[-1]
    return ((a, 0.0), (0.0, b)), list(sites)


def _honeycomb(species: tuple[str, ...], lattice: _Numbers, internal: _Numbers) -> _Layer:
    """Two sublattices whose heights differ by the buckling [Å]."""
    (buckling,) = internal
    upper, lower = species[0], species[-1]
    return _stack(lattice, (upper, "A", buckling / 2), (lower, "B", -buckling / 2))


def _graphane(species: tuple[str, ...], lattice: _Numbers, internal: _Numbers) -> _Layer:
    """Buckled honeycomb whose atoms carry one other each: buckling, bond outwards [Å]."""
    inner, outer = species
    buckling, bond = internal
    return _stack(
        lattice,
        (inner, "A", buckling / 2),
        (outer, "A", buckling / 2 + bond),
        (inner, "B", -buckling / 2),
        (outer, "B", -buckling / 2 - bond),
    )


def _prismatic(species: tuple[str, ...], lattice: _Numbers, internal: _Numbers) -> _Layer:
    """2H: metal in trigonal prisms; height of the anions [Å]."""
    metal, anion = species
    (height,) = internal
    return _stack(lattice, (metal, "A", 0.0), (anion, "B", height), (anion, "B", -height))


def _octahedral(species: tuple[str, ...], lattice: _Numbers, internal: _Numbers) -> _Layer:
    """1T, as in CdI2 and MXenes: centre of the octahedra, corners; height of the corners [Å]."""
    centre, corner = species
    (height,) = internal
    return _stack(lattice, (centre, "A", 0.0), (corner, "B", height), (corner, "C", -height))


def _brucite(species: tuple[str, ...], lattice: _Numbers, internal: _Numbers) -> _Layer:
    """1T with hydrogen upon each oxygen: heights of oxygen and hydrogen [Å]."""
    metal, oxygen, hydrogen = species
    oxygen_height, hydrogen_height = internal
    return _stack(
        lattice,
        (metal, "A", 0.0),
        (oxygen, "B", oxygen_height),
        (oxygen, "C", -oxygen_height),
        (hydrogen, "B", hydrogen_height),
        (hydrogen, "C", -hydrogen_height),
    )


def _quintuple(species: tuple[str, ...], lattice: _Numbers, internal: _Numbers) -> _Layer:
    """Five close-packed layers, as in Bi2Te3 and Ti2CO2: heights of middle and outer ones [Å]."""
    centre, middle, outer = species
    middle_height, outer_height = internal
    return _stack(
        lattice,
        (centre, "A", 0.0),
        (middle, "B", middle_height),
        (middle, "C", -middle_height),
        (outer, "C", outer_height),
        (outer, "B", -outer_height),
    )


def _monochalcogenide(species: tuple[str, ...], lattice: _Numbers, internal: _Numbers) -> _Layer:
    """GaS: pairs of metal atoms between anions; heights of metal and anion [Å]."""
    metal, anion = species
    metal_height, anion_height = internal
    return _stack(
        lattice,
        (metal, "A", metal_height),
        (metal, "A", -metal_height),
        (anion, "B", anion_height),
        (anion, "B", -anion_height),
    )


def _trihalide(species: tuple[str, ...], lattice: _Numbers, internal: _Numbers) -> _Layer:
    """BiI3: two thirds of the octahedra filled; coordinate x of the halogen, its height [Å]."""
    metal, halogen = species
    x, height = internal
    cell, metals = _stack(lattice, (metal, "B", 0.0), (metal, "C", 0.0))
    upper = [(x, 0.0), (0.0, x), (-x, -x)]
    halogens = [(halogen, sign * u, sign * v, sign * height) for sign in (1, -1) for u, v in upper]
    return cell, metals + halogens


def _litharge(species: tuple[str, ...], lattice: _Numbers, internal: _Numbers) -> _Layer:
    """PbO: a square plane of one element, the other above and below it; its height [Å]."""
    planar, apical = species
    (height,) = internal
    return _rectangle(
        lattice,
        (planar, 0.0, 0.0, 0.0),
        (planar, 0.5, 0.5, 0.0),
        (apical, 0.5, 0.0, height),
        (apical, 0.0, 0.5, -height),
    )


def _matlockite(species: tuple[str, ...], lattice: _Numbers, internal: _Numbers) -> _Layer:
    """BiOCl: litharge between halogens; heights of metal and halogen [Å]."""
    oxygen, metal, halogen = species
    metal_height, halogen_height = internal
    cell, sites = _litharge((oxygen, metal), lattice, (metal_height,))
    halogens = [(halogen, 0.0, 0.5, halogen_height), (halogen, 0.5, 0.0, -halogen_height)]
    return cell, sites + halogens


def _oxychloride(species: tuple[str, ...], lattice: _Numbers, internal: _Numbers) -> _Layer:
    """FeOCl: heights of metal, oxygen (on the other side) and halogen [Å]."""
    metal, oxygen, halogen = species
    metal_height, oxygen_height, halogen_height = internal
    return _rectangle(
        lattice,
        (metal, 0.0, 0.5, metal_height),
        (metal, 0.5, 0.0, -metal_height),
        (oxygen, 0.0, 0.0, -oxygen_height),
        (oxygen, 0.5, 0.5, oxygen_height),
        (halogen, 0.0, 0.0, halogen_height),
        (halogen, 0.5, 0.5, -halogen_height),
    )


def _puckered(species: tuple[str, ...], lattice: _Numbers, internal: _Numbers) -> _Layer:
    """Black phosphorus and GeS: coordinate along b and height [Å] of either kind of site.

    The zigzag chains run along a; the second half of the atoms follows by a screw axis.
    """
    first, second = species[0], species[-1]
    first_v, first_height, second_v, second_height = internal
    return _rectangle(
        lattice,
        (first, 0.0, first_v, first_height),
        (second, 0.0, second_v, second_height),
        (first, 0.5, first_v + 0.5, -first_height),
        (second, 0.5, second_v + 0.5, -second_height),
    )


def _pentagonal(species: tuple[str, ...], lattice: _Numbers, internal: _Numbers) -> _Layer:
    """PdSe2: coordinates u and v of one anion, its height [Å]."""
    metal, anion = species
    u, v, height = internal
    return _rectangle(
        lattice,
        (metal, 0.0, 0.0, 0.0),
        (metal, 0.5, 0.5, 0.0),
        (anion, u, 0.5 - v, -height),
        (anion, 0.5 - u, -v, -height),
        (anion, -u, 0.5 + v, height),
        (anion, 0.5 + u, v, height),
    )


def _molybdite(species: tuple[str, ...], lattice: _Numbers, internal: _Numbers) -> _Layer:
    """MoO3: coordinate along a and height [Å] of Mo, then of the three kinds of oxygen.

    Mo, the apical and the first bridging oxygen share a mirror plane; every atom has a partner by
    inversion.
    """
    metal, oxygen = species
    pairs = list(zip(internal[::2], internal[1::2], strict=True))
    upper = [
        (symbol, u, plane, height)
        for symbol, plane, (u, height) in zip(
            (metal, oxygen, oxygen, oxygen), (0.25, 0.25, 0.25, 0.75), pairs, strict=True
        )
    ]
    lower = [(symbol, -u, -plane, -height) for symbol, u, plane, height in upper]
    return _rectangle(lattice, *upper, *lower)


def _distorted(species: tuple[str, ...], lattice: _Numbers, internal: _Numbers) -> _Layer:
    """1T' (WTe2): coordinate along b and height [Å] of two metal and four anion sites.

    The metal chains run along a; u is 0 for the first site of the metal and the first two of the
    anion, and 1/2 for the others.
    """
    metal, anion = species
    pairs = list(zip(internal[::2], internal[1::2], strict=True))
    sites = [(metal, 0.0), (metal, 0.5), (anion, 0.0), (anion, 0.0), (anion, 0.5), (anion, 0.5)]
    return _rectangle(
        lattice,
        *((symbol, u, v, height) for (symbol, u), (v, height) in zip(sites, pairs, strict=True)),
    )


_PROTOTYPES: dict[str, _Prototype] = {
    "honeycomb": _honeycomb,
    "graphane": _graphane,
    "2H": _prismatic,
    "1T": _octahedral,
    "brucite": _brucite,
    "quintuple": _quintuple,
    "GaS": _monochalcogenide,
    "BiI3": _trihalide,
    "litharge": _litharge,
    "matlockite": _matlockite,
    "FeOCl": _oxychloride,
    "puckered": _puckered,
    "PdSe2": _pentagonal,
    "MoO3": _molybdite,
    "1Tprime": _distorted,
}

# Sources. Numbers of a bulk crystal are those of a layer in it; Wyckoff's of the CdI2 type have the
# anions at a quarter of c where he gives no other parameter.
_BARSOUM = "Carbide layer of the MAX phase in Barsoum, Prog. Solid State Chem. 28, 201 (2000)"
_BOEKER = "Böker et al., Phys. Rev. B 64, 235305 (2001)"
_CAHANGIROV = "Cahangirov et al., Phys. Rev. Lett. 102, 236804 (2009)"
_CUCKA = "Cucka and Barrett, Acta Cryst. 15, 865 (1962)"
_FURUSETH = "Furuseth, Selte and Kjekshus, Acta Chem. Scand. 19, 257 (1965)"
_LEENAERTS = "Leenaerts et al., Phys. Rev. B 82, 195436 (2010)"
_SAHIN = "Şahin et al., Phys. Rev. B 80, 155453 (2009)"
_SCHIFERL = "Schiferl and Barrett, J. Appl. Cryst. 2, 30 (1969)"
_SCHUTTE = "Schutte, De Boer and Jellinek, J. Solid State Chem. 70, 207 (1987)"
_WIEDEMEIER = "Wiedemeier and von Schnering, Z. Kristallogr. 148, 295 (1978)"
_WYCKOFF = "Wyckoff, Crystal Structures, vol. 1, 2nd ed., Interscience (1963)"
_CASTRO_NETO = "Castro Neto et al., Rev. Mod. Phys. 81, 109 (2009)"
_PEASE = "Pease, Acta Cryst. 5, 356 (1952)"
_VAN_DEN_BROEK = "van den Broek et al., 2D Mater. 1, 021004 (2014)"
_TOPSAKAL = "Topsakal et al., Phys. Rev. B 80, 235119 (2009)"
_MOROSIN = "3R-NbS2 in Morosin, Acta Cryst. B 30, 551 (1974)"
_MAREZIO = "Marezio et al., J. Solid State Chem. 4, 425 (1972)"
_MEETSMA = "Meetsma et al., Acta Cryst. C 46, 1598 (1990)"
_RIGOULT_1982 = "Rigoult et al., Acta Cryst. B 38, 1557 (1982)"
_MAR = "Mar, Jobic and Ibers, J. Am. Chem. Soc. 114, 8963 (1992)"
_GRONVOLD = "Grønvold and Røst, Acta Cryst. 10, 329 (1957)"
_KUHN_1976 = "Kuhn, Chevy and Chevalier, Acta Cryst. B 32, 983 (1976)"
_KUHN_1975 = "Kuhn, Chevy and Chevalier, Phys. Status Solidi A 31, 469 (1975)"
_RIGOULT_1980 = "Rigoult, Rimsky and Kuhn, Acta Cryst. B 36, 916 (1980)"
_BROWN = "Brown and Rundqvist, Acta Cryst. 19, 684 (1965)"
_KHAZAEI = "Khazaei et al., Adv. Funct. Mater. 23, 2185 (2013)"
_PARTIN = "Partin and O'Keeffe, J. Solid State Chem. 95, 176 (1991)"
_VETTIER = "Vettier and Yelon, J. Phys. Chem. Solids 36, 401 (1975)"
_MCGUIRE = "McGuire et al., Chem. Mater. 27, 612 (2015)"
_TROTTER = "Trotter and Zobel, Z. Kristallogr. 123, 67 (1966)"
_KIHLBORG = "Kihlborg, Ark. Kemi 21, 357 (1963)"
_CATTI = "Catti et al., Phys. Chem. Minerals 22, 200 (1995)"
_BUSING = "Busing and Levy, J. Chem. Phys. 26, 563 (1957)"
_MCQUEEN = "McQueen et al., Phys. Rev. B 79, 014522 (2009)"
_PANNETIER = "Pannetier and Denes, Acta Cryst. B 36, 2763 (1980)"
_BOHER = "Boher et al., J. Solid State Chem. 57, 343 (1985)"
_KERAMIDAS = "Keramidas, Voutsas and Rentzeperis, Z. Kristallogr. 205, 35 (1993)"
_LIND = "Lind, Acta Cryst. B 26, 1058 (1970)"
_NAKAJIMA = "Nakajima, J. Phys. Chem. Solids 24, 479 (1963)"
_ANDERSON = "Anderson and Krause, Acta Cryst. B 30, 1307 (1974)"

_WTE2 = (0.6006, 0.0, 0.9602, 0.213, 0.8576, 2.176, 0.2072, -1.348, 0.7016, -1.965, 0.3537, 1.558)

_TABLE = (
    # Honeycombs of one or two elements; (buckling)
    Monolayer("graphene", "honeycomb", ("C",), (2.46,), (0.0,), _CASTRO_NETO),
    Monolayer("h-BN", "honeycomb", ("B", "N"), (2.504,), (0.0,), _PEASE),
    Monolayer("silicene", "honeycomb", ("Si",), (3.83,), (0.44,), _CAHANGIROV),
    Monolayer("germanene", "honeycomb", ("Ge",), (3.97,), (0.64,), _CAHANGIROV),
    Monolayer("stanene", "honeycomb", ("Sn",), (4.676,), (0.85,), _VAN_DEN_BROEK),
    Monolayer("h-SiC", "honeycomb", ("Si", "C"), (3.07,), (0.0,), _SAHIN),
    Monolayer("h-GeC", "honeycomb", ("Ge", "C"), (3.22,), (0.0,), _SAHIN),
    Monolayer("h-AlN", "honeycomb", ("Al", "N"), (3.09,), (0.0,), _SAHIN),
    Monolayer("h-GaN", "honeycomb", ("Ga", "N"), (3.20,), (0.0,), _SAHIN),
    Monolayer("h-BP", "honeycomb", ("B", "P"), (3.18,), (0.0,), _SAHIN),
    Monolayer("h-BAs", "honeycomb", ("B", "As"), (3.35,), (0.0,), _SAHIN),
    Monolayer("h-GaAs", "honeycomb", ("Ga", "As"), (3.97,), (0.55,), _SAHIN),
    Monolayer("h-ZnO", "honeycomb", ("Zn", "O"), (3.283,), (0.0,), _TOPSAKAL),
    Monolayer("arsenene", "honeycomb", ("As",), (3.760,), (1.274,), _SCHIFERL),
    Monolayer("antimonene", "honeycomb", ("Sb",), (4.308,), (1.507,), _SCHIFERL),
    Monolayer("bismuthene", "honeycomb", ("Bi",), (4.546,), (1.595,), _CUCKA),
    Monolayer("graphane", "graphane", ("C", "H"), (2.539,), (0.459, 1.104), _LEENAERTS),
    Monolayer("fluorographene", "graphane", ("C", "F"), (2.600,), (0.490, 1.371), _LEENAERTS),
    # Dichalcogenides
    Monolayer("2H-MoS2", "2H", ("Mo", "S"), (3.160,), (1.586,), _BOEKER),
    Monolayer("2H-MoSe2", "2H", ("Mo", "Se"), (3.299,), (1.664,), _BOEKER),
    Monolayer("2H-MoTe2", "2H", ("Mo", "Te"), (3.522,), (1.812,), _BOEKER),
    Monolayer("2H-WS2", "2H", ("W", "S"), (3.153,), (1.571,), _SCHUTTE),
    Monolayer("2H-WSe2", "2H", ("W", "Se"), (3.282,), (1.671,), _SCHUTTE),
    Monolayer("2H-NbS2", "2H", ("Nb", "S"), (3.330,), (1.557,), _MOROSIN),
    Monolayer("2H-NbSe2", "2H", ("Nb", "Se"), (3.444,), (1.666,), _MAREZIO),
    Monolayer("2H-TaS2", "2H", ("Ta", "S"), (3.314,), (1.559,), _MEETSMA),
    Monolayer("1T-TiS2", "1T", ("Ti", "S"), (3.408,), (1.425,), _WYCKOFF),
    Monolayer("1T-ZrS2", "1T", ("Zr", "S"), (3.662,), (1.453,), _WYCKOFF),
    Monolayer("1T-ZrSe2", "1T", ("Zr", "Se"), (3.770,), (1.535,), _WYCKOFF),
    Monolayer("1T-HfS2", "1T", ("Hf", "S"), (3.635,), (1.459,), _WYCKOFF),
    Monolayer("1T-SnS2", "1T", ("Sn", "S"), (3.639,), (1.467,), _WYCKOFF),
    Monolayer("1T-VSe2", "1T", ("V", "Se"), (3.359,), (1.567,), _RIGOULT_1982),
    Monolayer("1T-PtS2", "1T", ("Pt", "S"), (3.543,), (1.144,), _FURUSETH),
    Monolayer("1T-PtSe2", "1T", ("Pt", "Se"), (3.728,), (1.296,), _FURUSETH),
    Monolayer("1T-NiTe2", "1T", ("Ni", "Te"), (3.854,), (1.315,), _FURUSETH),
    Monolayer(
        "1Tprime-WTe2",
        "1Tprime",
        ("W", "Te"),
        (3.477, 6.249),
        _WTE2,
        _MAR,
    ),
    Monolayer("PdSe2", "PdSe2", ("Pd", "Se"), (5.741, 5.866), (0.112, 0.117, 0.715), _GRONVOLD),
    # Monochalcogenides
    Monolayer("GaS", "GaS", ("Ga", "S"), (3.587,), (1.224, 2.296), _KUHN_1976),
    Monolayer("GaSe", "GaS", ("Ga", "Se"), (3.743,), (1.192, 2.419), _KUHN_1975),
    Monolayer("InSe", "GaS", ("In", "Se"), (4.002,), (1.384, 2.649), _RIGOULT_1980),
    Monolayer(
        "black-P", "puckered", ("P",), (3.314, 4.376), (0.0806, 1.065, -0.0806, -1.065), _BROWN
    ),
    Monolayer(
        "GeS", "puckered", ("Ge", "S"), (3.641, 4.299), (0.128, -1.339, -0.002, 1.039), _WIEDEMEIER
    ),
    Monolayer(
        "SnS", "puckered", ("Sn", "S"), (3.987, 4.334), (0.120, -1.463, 0.021, 1.129), _WIEDEMEIER
    ),
    Monolayer(
        "SnSe", "puckered", ("Sn", "Se"), (4.153, 4.445), (0.103, -1.518, 0.021, 1.208), _WIEDEMEIER
    ),
    Monolayer("FeSe", "litharge", ("Fe", "Se"), (3.773,), (1.474,), _MCQUEEN),
    Monolayer("Bi2Te3", "quintuple", ("Te", "Bi", "Te"), (4.386,), (2.033, 3.770), _NAKAJIMA),
    Monolayer("Sb2Te3", "quintuple", ("Te", "Sb", "Te"), (4.264,), (1.994, 3.671), _ANDERSON),
    # MXenes: carbon in the octahedra
    Monolayer("Ti2C", "1T", ("C", "Ti"), (3.04,), (1.133,), _BARSOUM),
    Monolayer("V2C", "1T", ("C", "V"), (2.913,), (1.095,), _BARSOUM),
    Monolayer("Nb2C", "1T", ("C", "Nb"), (3.10,), (1.150,), _BARSOUM),
    Monolayer("Ti3C2", "quintuple", ("Ti", "C", "Ti"), (3.075,), (1.300, 2.387), _BARSOUM),
    Monolayer("Ti2CO2", "quintuple", ("C", "Ti", "O"), (3.03,), (1.31, 2.23), _KHAZAEI),
    # Halides
    Monolayer("CdI2", "1T", ("Cd", "I"), (4.24,), (1.710,), _WYCKOFF),
    Monolayer("PbI2", "1T", ("Pb", "I"), (4.555,), (1.849,), _WYCKOFF),
    Monolayer("MnBr2", "1T", ("Mn", "Br"), (3.82,), (1.548,), _WYCKOFF),
    Monolayer("NiI2", "1T", ("Ni", "I"), (3.892,), (1.636,), _WYCKOFF),
    Monolayer("MgCl2", "1T", ("Mg", "Cl"), (3.636,), (1.334,), _PARTIN),
    Monolayer("FeCl2", "1T", ("Fe", "Cl"), (3.598,), (1.366,), _VETTIER),
    Monolayer("CrI3", "BiI3", ("Cr", "I"), (6.867,), (0.351, 1.565), _MCGUIRE),
    Monolayer("BiI3", "BiI3", ("Bi", "I"), (7.516,), (0.340, 1.785), _TROTTER),
    # Oxides, hydroxides, oxychlorides
    Monolayer(
        "MoO3",
        "MoO3",
        ("Mo", "O"),
        (3.963, 3.696),
        (0.0867, 1.408, 0.0373, 3.068, 0.5212, 1.228, 0.9994, 0.899),
        _KIHLBORG,
    ),
    Monolayer("SnO", "litharge", ("O", "Sn"), (3.803,), (1.153,), _PANNETIER),
    Monolayer("PbO", "litharge", ("O", "Pb"), (3.974,), (1.181,), _BOHER),
    Monolayer("Mg(OH)2", "brucite", ("Mg", "O", "H"), (3.150,), (1.051, 2.053), _CATTI),
    Monolayer("Ca(OH)2", "brucite", ("Ca", "O", "H"), (3.592,), (1.147, 2.087), _BUSING),
    Monolayer("BiOCl", "matlockite", ("O", "Bi", "Cl"), (3.887,), (1.260, 2.602), _KERAMIDAS),
    Monolayer("FeOCl", "FeOCl", ("Fe", "O", "Cl"), (3.773, 3.303), (0.915, 0.380, 2.610), _LIND),
)


def monolayers() -> tuple[Monolayer, ...]:
    """Return the built-in table."""
    return _TABLE
