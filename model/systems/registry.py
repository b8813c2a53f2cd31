"""The one place where a published system's name meets its configuration and its network."""

from dataclasses import dataclass
from typing import Any

from model.systems.attributes import Attributes, AttributesConfig
from model.systems.baseline import Baseline, BaselineConfig
from model.systems.cosam import Cosam, CosamConfig
from model.systems.gltr import Gltr, GltrConfig
from model.systems.m3d import M3D, M3DConfig
from model.systems.snippet import Snippet, SnippetConfig
from model.systems.sta import STA, STAConfig
from model.systems.stmp import STMP, STMPConfig
from model.systems.system import System
from model.systems.tkp import Tkp, TkpConfig
from model.systems.vrstc import VRSTC, VRSTCConfig


@dataclass(frozen=True, slots=True)
class Entry:
    """`settings` is a frozen dataclass with the paper's numbers as defaults; `system` is built from one."""

    settings: type[Any]
    system: type[System]


SYSTEMS = {
    "baseline": Entry(BaselineConfig, Baseline),
    "cosam": Entry(CosamConfig, Cosam),
    "gltr": Entry(GltrConfig, Gltr),
    "tkp": Entry(TkpConfig, Tkp),
    "attributes": Entry(AttributesConfig, Attributes),
    "vrstc": Entry(VRSTCConfig, VRSTC),
    "stmp": Entry(STMPConfig, STMP),
    "m3d": Entry(M3DConfig, M3D),
    "sta": Entry(STAConfig, STA),
    "snippet": Entry(SnippetConfig, Snippet),
}
