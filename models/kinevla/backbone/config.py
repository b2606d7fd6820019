"""Sizes of the network as frozen dataclasses; the defaults are the shipped `nano` model."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

ActionHead = Literal["codes", "flow"]

# (mean, std) per RGB channel of images scaled to 0..1. The two towers of a Prismatic model differ in this
# because their public ancestors do: DINOv2 uses the ImageNet statistics, SigLIP a plain -1..1 range.
NORMALISATIONS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}


@dataclass(frozen=True)
class TowerConfig:
    """A convolutional image tower, as the nano model has.

    Attributes:
        widths: channels at strides 2, 4, 8 and 16.
        normalisation: key of `NORMALISATIONS`.
        attention_heads: heads of the global attention block at stride 16.
    """

    widths: tuple[int, int, int, int] = (24, 48, 96, 128)
    normalisation: str = "imagenet"
    attention_heads: int = 4

    def __post_init__(self) -> None:
        if self.normalisation not in NORMALISATIONS:
            raise ValueError(f"normalisation {self.normalisation!r} is none of {', '.join(NORMALISATIONS)}")
        if len(self.widths) != 4 or min(self.widths) < 1 or self.widths[3] % self.attention_heads:
            raise ValueError(
                f"widths {self.widths} must be four, the last a multiple of {self.attention_heads}"
            )

    @property
    def patch_width(self) -> int:
        """Channels of a patch feature."""
        return self.widths[2]

    @property
    def local_width(self) -> int:
        """Channels of the feature read at a keypoint."""
        return self.widths[1]

    @property
    def stride(self) -> int:
        """Pixels per patch."""
        return 8


@dataclass(frozen=True)
class VitTowerConfig:
    """A vision transformer as image tower, as the full-size model has; it finds no keypoints.

    Attributes:
        width: channels.
        depth: blocks.
        heads: attention heads.
        mlp_hidden: hidden width of the perceptrons.
        patch_size: pixels per patch.
        class_token: a class token goes first.
        register_tokens: register tokens after it.
        layer_scale: blocks scale their output by learned factors.
        attention_pool: the weights hold a pooling head (unused here).
        normalisation: key of `NORMALISATIONS`.
        mean: RGB mean in 0..1 subtracted from images instead of the one `normalisation` names; None for that.
        std: RGB standard deviation likewise. Public checkpoints store slightly rounded values of their own.
        kind: tells this configuration from a `TowerConfig` in JSON.
    """

    width: int
    depth: int
    heads: int
    mlp_hidden: int
    patch_size: int = 14
    class_token: bool = False
    register_tokens: int = 0
    layer_scale: bool = False
    attention_pool: bool = False
    normalisation: str = "imagenet"
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    kind: str = "vit"

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
    def local_width(self) -> int:
        """No feature is read at keypoints."""
        return 0

    @property
    def stride(self) -> int:
        """Pixels per patch."""
        return self.patch_size


@dataclass(frozen=True)
class VisionConfig:
    """Both towers and what is read from them.

    Attributes:
        image_size: side of the square input, pixels; a multiple of 16 (of the patch size with ViT towers).
        cameras: names of the cameras in token order.
        keypoints: names of the points each camera's heatmap heads look for; () with ViT towers.
        patch_grid: side of the pooled patch grid per camera.
        patch_position: a learned vector per patch and camera is added.
        featurizer: first tower.
        fused_featurizer: second tower.
    """

    image_size: int = 128
    cameras: tuple[str, ...] = ("front", "wrist")
    keypoints: tuple[str, ...] = (
        "object_centre", "object_upper_end", "object_lower_end", "plate_centre", "tool_centre",
    )  # fmt: skip
    patch_grid: int = 4
    patch_position: bool = True
    featurizer: TowerConfig | VitTowerConfig = field(default_factory=TowerConfig)
    fused_featurizer: TowerConfig | VitTowerConfig = field(
        default_factory=lambda: TowerConfig(widths=(12, 24, 48, 64), normalisation="half")
    )

    def __post_init__(self) -> None:
        towers = (self.featurizer, self.fused_featurizer)
        convolutional = all(isinstance(tower, TowerConfig) for tower in towers)
        for unit in (16,) if convolutional else (tower.stride for tower in towers):
            if self.image_size % unit or self.image_size < 2 * unit:
                raise ValueError(
                    f"image_size must be a multiple of {unit} and at least {2 * unit}, got {self.image_size}"
                )
        cells = self.image_size // max(tower.stride for tower in towers)
        if not 1 <= self.patch_grid <= cells:
            raise ValueError(f"patch_grid must lie in 1..{cells}, got {self.patch_grid}")
        if not self.cameras:
            raise ValueError("at least one camera is needed")
        if bool(self.keypoints) != convolutional:
            raise ValueError("convolutional towers need at least one keypoint, ViT towers find none")

    @property
    def patch_width(self) -> int:
        """Channels of a patch feature: both towers concatenated."""
        return self.featurizer.patch_width + self.fused_featurizer.patch_width

    @property
    def local_width(self) -> int:
        """Channels of the feature read at a keypoint: both towers concatenated."""
        return self.featurizer.local_width + self.fused_featurizer.local_width


@dataclass(frozen=True)
class GeometryConfig:
    """The fusion of all keypoints of all cameras with the joint state.

    Attributes:
        width: hidden width.
        blocks: residual blocks.
        frequencies: Fourier frequencies per coordinate.
        tokens: tokens handed to the decoder; 0 switches the fusion off.
        lifter_width: hidden width of the estimate of points in space.
        lifter_frequencies: Fourier frequencies there; few, because the relation is smooth.
        constant_length: tokens are scaled to a constant length, so that the decoder's own normalisation keeps
            them linear.
        robot: 'rm75' adds the tool pose computed from the joints, 'none' leaves it out.
    """

    width: int = 512
    blocks: int = 3
    frequencies: int = 4
    tokens: int = 8
    lifter_width: int = 384
    lifter_frequencies: int = 1
    constant_length: bool = True
    robot: str = "rm75"

    def __post_init__(self) -> None:
        if self.robot not in ("rm75", "none"):
            raise ValueError(f"robot must be 'rm75' or 'none', got {self.robot!r}")


@dataclass(frozen=True)
class DecoderConfig:
    """The Llama-type decoder.

    Attributes:
        hidden_size: width of a token.
        layers: blocks.
        heads: attention heads, as many for keys and values as for queries.
        intermediate_size: hidden width of the gated perceptrons.
        max_positions: longest sequence the positions are meant for.
        rope_theta: base of the rotary position frequencies.
        norm_eps: added to the mean square in every norm. The public OpenVLA configuration leaves it at the
            library's 1e-6, although Llama-2 itself was trained with 1e-5.
    """

    hidden_size: int = 192
    layers: int = 4
    heads: int = 4
    intermediate_size: int = 512
    max_positions: int = 512
    rope_theta: float = 10000.0
    norm_eps: float = 1e-6


@dataclass(frozen=True)
class FlowConfig:
    """The flow-matching action head, a baseline of the pi0.5 kind (see `kinevla.flow`).

    Attributes:
        horizon: frames per chunk T.
        dimensions: action dimensions D.
        width: channels of the action expert.
        layers: its blocks.
        heads: its attention heads.
        intermediate_size: hidden width of its gated perceptrons.
        steps: Euler steps from noise to actions.
        time_alpha: training draws the time t as `time_floor + (1 - time_floor) * Beta(time_alpha, 1)`, which
            favours noisy chunks when above 1.
        time_floor: the smallest t, as clean chunks teach nothing.
        seed: of the noise every plan starts from; the same noise each time makes a plan a function of its
            observation and sentence.
    """

    horizon: int = 5
    dimensions: int = 8
    width: int = 128
    layers: int = 4
    heads: int = 4
    intermediate_size: int = 384
    steps: int = 10
    time_alpha: float = 1.5
    time_floor: float = 0.001
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
    """Sizes of the action tokenizer whose codes are scored by the readout from geometry tokens.

    Attributes:
        codes: codes per chunk.
        codebook_size: K.
        latent: d.
    """

    codes: int = 4
    codebook_size: int = 256
    latent: int = 128


@dataclass(frozen=True)
class ModelConfig:
    """The whole network.

    Attributes:
        vision: towers, cameras, keypoints.
        geometry: keypoint fusion.
        decoder: language model.
        vocabulary_size: rows of embedding and head.
        state_dim: D of the proprioceptive state.
        coupling_width: width of the two projections of the mutual-information loss.
        state_token: the joint state is one more observation token. Without it, without keypoints and without
            geometry tokens the decoder reads what OpenVLA reads: ``BOS | patches | text``.
        action_head: 'codes' writes action codes into the sequence (the method); 'flow' leaves them out and
            computes the chunk with a flow-matching head (baseline).
        flow: sizes of that head; needed with 'flow', refused with 'codes'.
        readout: codes are also scored by the motion read from the geometry tokens (see `code_readout`); None
            leaves all to the output head.
    """

    vision: VisionConfig = field(default_factory=VisionConfig)
    geometry: GeometryConfig = field(default_factory=GeometryConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    vocabulary_size: int = 1536
    state_dim: int = 8
    coupling_width: int = 128
    state_token: bool = True
    action_head: ActionHead = "codes"
    flow: FlowConfig | None = None
    readout: ReadoutConfig | None = None

    def __post_init__(self) -> None:
        if self.action_head not in ("codes", "flow"):
            raise ValueError(f"action_head must be 'codes' or 'flow', got {self.action_head!r}")
        if (self.action_head == "flow") != (self.flow is not None):
            raise ValueError(
                f"flow must be given with action_head 'flow' only, got {self.flow} with {self.action_head!r}"
            )
        if self.readout is not None and not (self.vision.keypoints and self.geometry.tokens):
            raise ValueError("a readout needs geometry tokens")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ModelConfig:
        """Rebuild a configuration from `to_dict` (as read from JSON).

        Raises:
            ValueError: unknown or missing entries, or values out of bounds.
        """
        vision = dict(values["vision"])
        for name in ("featurizer", "fused_featurizer"):
            kind = VitTowerConfig if "kind" in vision[name] else TowerConfig
            vision[name] = _make(kind, vision[name])
        return _make(
            cls,
            dict(values)
            | {
                "vision": _make(VisionConfig, vision),
                "geometry": _make(GeometryConfig, {"constant_length": False} | values["geometry"]),
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
