"""The whole network: what it sees, what it is told, a Llama-type decoder, and what moves the arm."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.cache_utils import Cache

from kinevla.backbone.config import ModelConfig, SightConfig, TowersConfig
from kinevla.backbone.image_features import image_features
from kinevla.backbone.look_back import LookBack
from kinevla.backbone.motion_readout import MotionReadout, Reading
from kinevla.backbone.phrases import Phrases
from kinevla.backbone.projectors import Projector, SightTokens, StateToken
from kinevla.backbone.sentence import SENTENCE_WIDTH, sentence_encoder
from kinevla.backbone.sight import Sight
from kinevla.backbone.vit_tower import VisionBackbone, VitTower
from kinevla.ranges import MIN_SPAN

if TYPE_CHECKING:
    from kinevla.flow.head import FlowHead

LEVELS = 2  # Goal and kinematics

Features = tuple[Tensor, ...]
"""What encoders make of images: maps (B, N, h, w, C) of each scale, or patches (B, N, P, C)."""


@dataclass(frozen=True)
class Seen:
    """One look at the world."""

    tokens: Tensor  # (B, V, hidden) what the decoder reads of it
    # cells, what each tells, and robot features with what is remembered of earlier ones, for the readout;
    # empty with towers
    looks: tuple[Tensor, ...] = ()

    def of(self, rows: Tensor) -> Seen:
        """Return the looks of some rows."""
        return Seen(self.tokens[rows], tuple(look[rows] for look in self.looks))


class KineVLAModel(nn.Module):
    """Vision-language-action network of §3.3: ``BOS | observation | instruction | text and codes``.

    With a `SightConfig` images and instruction are read by frozen encoders that come by pip. The decoder
    writes what it understood, and a readout moves the arm as these words ask for it: codes can follow nothing
    but what is written. Without a readout the decoder reads its sequence again without the instruction, and
    chooses the codes there.

    With a `TowersConfig` the names `vision_backbone.featurizer`, `vision_backbone.fused_featurizer`,
    `projector.fc1..3` and `language_model` are those of the public OpenVLA weights, and all is one sequence.

    Args:
        public_on_meta: parts with public names get no memory yet, because stored weights will take their
            place (`restore_buffers` belongs after that); what is ours is initialised as usual.
    """

    state_offset: Tensor
    state_scale: Tensor

    def __init__(self, config: ModelConfig, pad_id: int = 0, *, public_on_meta: bool = False) -> None:
        super().__init__()
        self.config = config
        self.pad_id = pad_id
        decoder, vision = config.decoder, config.vision
        hidden = decoder.hidden_size
        self.readout: nn.ModuleList | None = None
        if isinstance(vision, TowersConfig):
            with torch.device("meta") if public_on_meta else nullcontext():
                self.vision_backbone = VisionBackbone(vision)
                self.projector = Projector(vision.patch_width, hidden)
            self.observation = StateToken(config) if config.state_token else nn.Module()
        else:
            self.sight = Sight(vision)
            self.observation = SightTokens(vision, hidden, config.state_dim)
            self.instruction = nn.Linear(SENTENCE_WIDTH, hidden)
            if config.readout is not None:
                robot = self.observation.robot.width
                if vision.moments:
                    self.look_back = LookBack(robot)
                    robot += self.look_back.width
                # Of each level its own: what the goal's words leave open is not to be taken as settled by
                # what is seen where the kinematics' words decide on it.
                self.readout = nn.ModuleList(
                    MotionReadout(config.readout, vision, hidden, robot) for _ in range(LEVELS)
                )
                self.phrases = Phrases(config.vocabulary_size, pad_id, config.readout.words, hidden, robot)
        settings: dict[str, Any] = {
            "vocab_size": config.vocabulary_size,
            "hidden_size": hidden,
            "intermediate_size": decoder.intermediate_size,
            "num_hidden_layers": decoder.layers,
            "num_attention_heads": decoder.heads,
            "num_key_value_heads": decoder.heads,
            "max_position_embeddings": decoder.max_positions,
            "rope_theta": decoder.rope_theta,
            "rms_norm_eps": decoder.norm_eps,
            "pad_token_id": pad_id,
            "tie_word_embeddings": False,
            "attn_implementation": "sdpa",
        }
        with torch.device("meta") if public_on_meta else nullcontext():
            self.language_model = LlamaForCausalLM(LlamaConfig(**settings))
        # Words begin as long as what is seen and told: what attention adds drowns shorter ones,
        # and one word that decides on the motion is not heard (public weights have found their own balance).
        self.embedding_scale = hidden**0.5 if config.reads_alone else 1.0
        self.coupling_reasoning = nn.Linear(hidden, config.coupling_width)
        self.coupling_action = nn.Linear(hidden, config.coupling_width)
        self.flow_head: FlowHead | None = None
        if config.flow is not None:
            # Imported here because the head takes its sizes from this package.
            from kinevla.flow.head import FlowHead

            self.flow_head = FlowHead(config.flow, hidden)
        self.register_buffer("state_offset", torch.zeros(config.state_dim))
        self.register_buffer("state_scale", torch.ones(config.state_dim))

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.state_scale.device

    def restore_buffers(self) -> None:
        """Compute what the configuration implies and no checkpoint holds: pixel statistics, rotations."""
        if isinstance(self.config.vision, TowersConfig):
            for tower in (self.vision_backbone.featurizer, self.vision_backbone.fused_featurizer):
                assert isinstance(tower, VitTower)
                tower.reset_pixel_statistics()
        decoder = self.language_model.model
        decoder.rotary_emb = type(decoder.rotary_emb)(config=self.language_model.config)

    def set_state_range(self, low: Tensor, high: Tensor) -> None:
        """Set the state values that map to -1 and 1; a dimension that never moved maps to 0.

        A dimension that only trembled is scaled as if it had moved by `MIN_SPAN`.
        """
        span = (high - low).float()
        self.state_offset.copy_(((low + high) / 2).float())
        self.state_scale.copy_(torch.where(span > 0, 2.0 / span.clamp_min(MIN_SPAN), torch.zeros_like(span)))

    def normalise_state(self, state: Tensor) -> Tensor:
        """Map a state (B, D) in its own units to about -1..1."""
        return (state.float() - self.state_offset) * self.state_scale

    def features(self, images: Tensor) -> Features:
        """Look at images (B, N, S, S, 3) uint8 RGB, cameras in the order of the configuration.

        Raises:
            ValueError: another shape or type.
            PretrainedError: the pretrained encoder is not installed.
        """
        vision = self.config.vision
        size, cameras = vision.image_size, len(vision.cameras)
        if images.dtype != torch.uint8 or images.shape[1:] != (cameras, size, size, 3):
            raise ValueError(
                f"images must be uint8 (B, {cameras}, {size}, {size}, 3), "
                f"got {images.dtype} {tuple(images.shape)}"
            )
        if isinstance(vision, SightConfig):
            return image_features(self.device)(images)
        return (self.vision_backbone(images),)

    def observe(self, features: Features, state: Tensor, past: Tensor | None = None) -> Seen:
        """Return what is seen in features with a state (B, D) in its own units.

        Args:
            features: of the images.
            state: (B, D) measured.
            past: (B, H, D) states at earlier plans of the instruction, the latest first, NaN where there was
                none; needed by a network that remembers, else unused.
        """
        state = state.float()
        normalised = self.normalise_state(state)
        if isinstance(self.config.vision, SightConfig):
            cells, values, points = self.sight(features)
            assert isinstance(self.observation, SightTokens)
            robot = self.observation.robot(state, normalised)
            tokens = self.observation(points, robot)
            if self.config.moments:
                assert past is not None, "this network remembers: it needs the states of earlier plans"
                robot = torch.cat([robot, self._remembered(past.float(), robot)], dim=-1)
            return Seen(tokens, (cells, values, robot))
        tokens = self.projector(features[0].flatten(1, 2))
        if isinstance(self.observation, StateToken):
            tokens = torch.cat([tokens, self.observation(normalised).to(tokens.dtype)], dim=1)
        return Seen(tokens)

    def _remembered(self, past: Tensor, robot: Tensor) -> Tensor:
        """Look back at earlier states (B, H, D)."""
        assert isinstance(self.observation, SightTokens)
        there = past[..., 0].isfinite()
        states = past.nan_to_num().flatten(0, 1)
        features = self.observation.robot(states, self.normalise_state(states))
        found: Tensor = self.look_back(features.unflatten(0, past.shape[:2]), there, robot)
        return found

    def told(self, sentences: Sequence[str]) -> list[Tensor]:
        """Read instructions with the pretrained encoder: token embeddings (L, hidden) each.

        Raises:
            PretrainedError: it is not installed.
        """
        told = (self.instruction(states) for states in sentence_encoder(self.device)(sentences))
        return [nn.functional.rms_norm(tokens, tokens.shape[-1:]) for tokens in told]

    def read(self, words: Tensor, seen: Seen, level: int) -> Reading:
        """Read the motion of a level, and where it leads to, from what is seen, as its words ask for it.

        Args:
            words: (B, L) ids of the level's text, the pad id elsewhere.
            level: 0 the goal, 1 the kinematics.
        """
        assert self.readout is not None, "this network has no readout"
        reading: Reading = self.readout[level](self.phrases(words, seen.looks[-1]), *seen.looks)
        return reading

    def embed_ids(self, ids: Tensor) -> Tensor:
        """Embed token ids (B, L) -> (B, L, hidden)."""
        embedded: Tensor = self.language_model.model.embed_tokens(ids)
        return embedded * self.embedding_scale

    def hidden_states(self, embeddings: Tensor, cache: Cache | None = None) -> Tensor:
        """Run the decoder over embeddings (B, L, hidden).

        A cache that is given is continued and grows in place. Rows must be padded on the right only:
        attention is causal, so padding never reaches a real token.
        """
        past = cache.get_seq_length() if cache is not None else 0
        positions = torch.arange(past, past + embeddings.shape[1], device=embeddings.device)
        return self.language_model.model(
            inputs_embeds=embeddings,
            past_key_values=cache,
            position_ids=positions.unsqueeze(0),
            use_cache=cache is not None,
        ).last_hidden_state

    def logits(self, hidden: Tensor) -> Tensor:
        """Map hidden states (..., hidden) to scores over text and codes (..., vocabulary)."""
        return self.language_model.lm_head(hidden)
