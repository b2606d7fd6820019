"""Sizes of the network as frozen dataclasses; the defaults are the shipped `nano` model."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

ActionHead = Literal["codes", "flow"]
MAX_MOMENTS = 256
"""Moments of half a second each: two minutes."""

# (mean, std) per RGB channel of images scaled to 0..1. The two towers of a Prismatic model differ in this
# because their public ancestors do: DINOv2 uses the ImageNet statistics, SigLIP a plain -1..1 range.
NORMALISATIONS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}


@dataclass(frozen=True)
class VitTowerConfig:
    """A vision transformer as image tower, as the full-size model has."""

    width: int  # channels
    depth: int  # blocks
    heads: int  # attention heads
    mlp_hidden: int  # hidden width of the perceptrons
    patch_size: int = 14  # pixels per patch
    class_token: bool = False  # a class token goes first
    register_tokens: int = 0  # register tokens after it
    layer_scale: bool = False  # blocks scale their output by learned factors
    attention_pool: bool = False  # the weights hold a pooling head (unused here)
    normalisation: str = "imagenet"  # key of `NORMALISATIONS`
    # RGB mean in 0..1 subtracted from images instead of the one `normalisation` names; None for that
    mean: tuple[float, float, float] | None = None
    # RGB standard deviation likewise. Public checkpoints store slightly rounded values of their own
    std: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        if self.normalisation not in NORMALISATIONS:
            raise ValueError(f"normalisation {self.normalisation!r} is none of {', '.join(NORMALISATIONS)}")
        if self.depth < 2 or self.width % self.heads:
            raise ValueError(f"need depth >= 2 and width {self.width} a multiple of {self.heads} heads")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and len(values) != 3:
                raise ValueError(f"{name} needs three channels, got {values}")
        if self.std is not None and min(self.std) <= 0.0:
            raise ValueError(f"std must be positive, got {self.std}")

    @property
    def pixel_statistics(self) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """RGB mean and standard deviation that images in 0..1 are normalised with."""
        mean, std = NORMALISATIONS[self.normalisation]
        return self.mean or mean, self.std or std

    @property
    def patch_width(self) -> int:
        """Channels of a patch feature."""
        return self.width

    @property
    def stride(self) -> int:
        """Pixels per patch."""
        return self.patch_size


@dataclass(frozen=True)
class TowersConfig:
    """The pair of image towers of a network of the OpenVLA format."""

    image_size: int  # side of the square input, pixels; a multiple of the patch size
    cameras: tuple[str, ...]  # names of the cameras in token order
    featurizer: VitTowerConfig  # first tower
    fused_featurizer: VitTowerConfig  # second tower

    def __post_init__(self) -> None:
        for tower in (self.featurizer, self.fused_featurizer):
            if self.image_size % tower.patch_size or self.image_size < 2 * tower.patch_size:
                raise ValueError(
                    f"image_size must be a multiple of {tower.patch_size}, at least {2 * tower.patch_size}, "
                    f"got {self.image_size}"
                )
        if self.featurizer.patch_size != self.fused_featurizer.patch_size:
            raise ValueError(
                f"towers need one patch size, got {self.featurizer.patch_size} and "
                f"{self.fused_featurizer.patch_size}"
            )
        if not self.cameras:
            raise ValueError("at least one camera is needed")

    @property
    def patches(self) -> int:
        """Patches of one camera."""
        return int((self.image_size // self.featurizer.patch_size) ** 2)

    @property
    def patch_width(self) -> int:
        """Channels of a patch feature: both towers concatenated."""
        return self.featurizer.width + self.fused_featurizer.width


@dataclass(frozen=True)
class SightConfig:
    """What is learned on top of the pretrained image encoder (see `sight`), and of the robot's state."""

    image_size: int = 160  # side of the square images, pixels; a multiple of 16
    cameras: tuple[str, ...] = ("front", "wrist")  # names of the cameras in order
    width: int = 64  # channels of the map of a camera
    points: int = 32  # learned points per camera
    point_width: int = 16  # channels handed on with each point
    tokens: int = 8  # observation tokens the decoder reads
    hidden: int = 512  # hidden width on the way to them
    robot: str = "rm75"  # 'rm75' adds the pose of the tool computed from the joints, 'none' leaves it out
    # how many earlier plans of an instruction are remembered by their states (see `look_back`)
    moments: int = 0

    def __post_init__(self) -> None:
        if self.image_size % 16 or self.image_size < 32:
            raise ValueError(f"image_size must be a multiple of 16 and at least 32, got {self.image_size}")
        if not self.cameras:
            raise ValueError("at least one camera is needed")
        if self.robot not in ("rm75", "none"):
            raise ValueError(f"robot must be 'rm75' or 'none', got {self.robot!r}")
        for name in ("width", "points", "point_width", "tokens", "hidden"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.moments <= MAX_MOMENTS:
            raise ValueError(f"moments must be 0 to {MAX_MOMENTS}, got {self.moments}")

    @property
    def found(self) -> int:
        """Numbers that tell what one look at one camera found: x, y, channels."""
        return 2 + self.point_width


@dataclass(frozen=True)
class DecoderConfig:
    """The Llama-type decoder."""

    hidden_size: int = 192  # width of a token
    layers: int = 3  # blocks
    heads: int = 4  # attention heads, as many for keys and values as for queries
    intermediate_size: int = 512  # hidden width of the gated perceptrons
    max_positions: int = 512  # longest sequence the positions are meant for
    rope_theta: float = 10000.0  # base of the rotary position frequencies
    # added to the mean square in every norm. The public OpenVLA configuration leaves it at the library's
    # 1e-6, although Llama-2 itself was trained with 1e-5
    norm_eps: float = 1e-6


@dataclass(frozen=True)
class FlowConfig:
    """The flow-matching action head, a baseline of the pi0.5 kind (see `kinevla.flow`)."""

    horizon: int = 5  # frames per chunk T
    dimensions: int = 8  # action dimensions D
    width: int = 128  # channels of the action expert
    layers: int = 4  # its blocks
    heads: int = 4  # its attention heads
    intermediate_size: int = 384  # hidden width of its gated perceptrons
    steps: int = 10  # Euler steps from noise to actions
    # training draws the time t as `time_floor + (1 - time_floor) * Beta(time_alpha, 1)`, which favours noisy
    # chunks when above 1
    time_alpha: float = 1.5
    time_floor: float = 0.001  # the smallest t, as clean chunks teach nothing
    # of the noise every plan starts from; the same noise each time makes a plan a function of its observation
    # and sentence
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("horizon", "dimensions", "layers", "heads", "intermediate_size", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"flow.{name} must be at least 1, got {getattr(self, name)}")
        if self.width < 2 or self.width % 2 or self.width % self.heads:
            raise ValueError(f"flow.width must be an even multiple of {self.heads} heads, got {self.width}")
        if not (self.time_alpha > 0.0 and 0.0 <= self.time_floor < 1.0):
            raise ValueError(
                f"flow needs time_alpha > 0 and 0 <= time_floor < 1, got {self.time_alpha}, {self.time_floor}"
            )


@dataclass(frozen=True)
class ReadoutConfig:
    """Sizes of what reads a motion as a level of the reasoning asks for it (see `motion_readout`)."""

    queries: int = 32  # looks per camera that are asked for
    words: int = 64  # numbers that each word says to it by itself
    width: int = 512  # hidden width of the perceptron
    blocks: int = 3  # its residual blocks
    horizon: int = 5  # frames per chunk T
    dimensions: int = 8  # action dimensions D

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            if getattr(self, item.name) < 1:
                raise ValueError(f"readout.{item.name} must be at least 1, got {getattr(self, item.name)}")


@dataclass(frozen=True)
class ModelConfig:
    """The whole network."""

    # with a `SightConfig` pretrained encoders of images and sentences and what is learned on top; with a
    # `TowersConfig` a network of the OpenVLA format, whose instruction is text of its own vocabulary
    vision: TowersConfig | SightConfig = field(default_factory=SightConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)  # language model
    vocabulary_size: int = 1536  # rows of embedding and head
    state_dim: int = 8  # D of the proprioceptive state
    coupling_width: int = 128  # width of the two projections of the mutual-information loss
    # with towers: the joint state is one more observation token. Without it the decoder reads what OpenVLA
    # reads: ``BOS | patches | text``
    state_token: bool = True
    # 'codes' writes action codes into the sequence (the method); 'flow' leaves them out and computes the
    # chunk with a flow-matching head (baseline)
    action_head: ActionHead = "codes"
    flow: FlowConfig | None = None  # sizes of that head; needed with 'flow', refused with 'codes'
    # codes spell a motion that is read from the pictures; None lets the output head choose them
    readout: ReadoutConfig | None = None

    def __post_init__(self) -> None:
        if self.action_head not in ("codes", "flow"):
            raise ValueError(f"action_head must be 'codes' or 'flow', got {self.action_head!r}")
        if (self.action_head == "flow") != (self.flow is not None):
            raise ValueError(
                f"flow must be given with action_head 'flow' only, got {self.flow} with {self.action_head!r}"
            )
        if self.readout is not None and not self.reads_alone:
            raise ValueError("a readout looks at the maps of a SightConfig, towers have none")
        if self.moments and self.readout is None:
            raise ValueError(f"moments = {self.moments}: only a readout looks back, and there is none")

    @property
    def moments(self) -> int:
        """How many earlier plans are remembered; 0 for none."""
        return self.vision.moments if isinstance(self.vision, SightConfig) else 0

    @property
    def reads_alone(self) -> bool:
        """Codes follow from the written reasoning and the observation; the instruction is out of sight."""
        return isinstance(self.vision, SightConfig)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ModelConfig:
        """Rebuild a configuration from `to_dict` (as read from JSON).

        Raises:
            ValueError: unknown or missing entries, or values out of bounds.
        """
        vision = dict(values["vision"])
        if "featurizer" in vision:
            towers = {
                name: _make(VitTowerConfig, vision[name]) for name in ("featurizer", "fused_featurizer")
            }
            vision_config: Any = _make(TowersConfig, vision | towers)
        else:
            vision_config = _make(SightConfig, vision)
        return _make(
            cls,
            dict(values)
            | {
                "vision": vision_config,
                "decoder": _make(DecoderConfig, values["decoder"]),
                "flow": _make(FlowConfig, values["flow"]) if values.get("flow") else None,
                "readout": _make(ReadoutConfig, values["readout"]) if values.get("readout") else None,
            },
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return dataclasses.asdict(self)


def _make(kind: type, values: dict[str, Any]) -> Any:
    """Build a dataclass from JSON values, lists becoming tuples; unknown keys are an error by name."""
    known = {item.name for item in dataclasses.fields(kind)}
    if unknown := sorted(set(values) - known):
        raise ValueError(f"{kind.__name__} has no setting {', '.join(unknown)}")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})
