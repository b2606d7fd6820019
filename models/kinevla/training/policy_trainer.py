"""The policy training loop: frozen towers, cached features, bounded in time, resumable to the step."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from kinevla.actions import BiLevelTokenizer
from kinevla.backbone.config import ModelConfig
from kinevla.backbone.features import VisualFeatures
from kinevla.backbone.model import KineVLAModel
from kinevla.checkpoint import CheckpointParts, save_checkpoint
from kinevla.data.episodes import EpisodeReader
from kinevla.generation.grammar import Grammar
from kinevla.generation.sequence import SequenceBuilder
from kinevla.text import Vocabulary, build_word_tokenizer, instruction_words, load_task_texts
from kinevla.text.variants import instruction_variants
from kinevla.training.code_embeddings import seed_code_embeddings
from kinevla.training.code_noise import CodeNoise
from kinevla.training.config import PolicyTrainConfig
from kinevla.training.dataset import PolicyData, load_policy_data, task_texts, token_batch
from kinevla.training.feature_cache import FeatureCache, build_cache, cache_key
from kinevla.training.geometry_warmup import noisy, warm_up_geometry
from kinevla.training.loop import Budget, MetricsLog, learning_rate, load_state, save_state, set_threads
from kinevla.training.objective import policy_loss
from kinevla.training.validation import validate
from kinevla.vision.checkpoint import load_vision

log = logging.getLogger(__name__)
_VAL_COLUMNS = (
    "val_reasoning_accuracy",
    "val_joint_l1_mrad",
    "val_joint_l1_tokenizer_mrad",
    "val_gripper_l1",
)
_LOSS_COLUMNS = ("loss", "loss_reasoning", "loss_action", "loss_coupling")


@dataclass
class PolicyRun:
    """Everything a run works with."""

    config: PolicyTrainConfig
    model: KineVLAModel
    builder: SequenceBuilder
    tokenizer: BiLevelTokenizer
    data: PolicyData
    cache: FeatureCache
    code_noise: CodeNoise
    latents: torch.Tensor
    vision_report: dict[str, Any]
    data_summary: dict[str, Any]

    @property
    def instructions(self) -> tuple[str, ...]:
        """All wordings that occur in training."""
        own = [text[0] for text in self.data.tasks]
        return tuple(own + [variant for text in own for variant in instruction_variants(text)])


def prepare_run(config: PolicyTrainConfig) -> PolicyRun:
    """Load data, towers and tokenizer, compute features, build the network.

    Raises:
        ManifestError: a damaged input.
        ValueError: settings that contradict the towers.
    """
    torch.manual_seed(config.seed)
    reader = EpisodeReader(config.data)
    tokenizer = BiLevelTokenizer.load(config.tokenizer)
    texts = task_texts(reader)
    annotated = [x for t in load_task_texts() for x in (t.instruction, t.coarse, t.fine)]
    wordings = [variant for text in texts for variant in instruction_variants(text[0])]
    text_tokenizer = build_word_tokenizer([*annotated, *wordings, *(x for text in texts for x in text)])
    vocabulary = Vocabulary.after_text(
        len(text_tokenizer),
        codebook_size=tokenizer.codebook_size,
        goal_codes=tokenizer.goal_levels,
        kinematics_codes=tokenizer.kinematics_levels,
        bos=text_tokenizer.bos_token_id,
        eos=text_tokenizer.eos_token_id,
        pad=text_tokenizer.pad_token_id,
    )
    grammar = Grammar(
        vocabulary, first_text_id=len(text_tokenizer.all_special_ids), reasoning=config.reasoning
    )
    builder = SequenceBuilder(text_tokenizer, grammar)
    backbone, vision_config, vision_report = load_vision(config.vision)
    lifter = ("lifter_width", "lifter_frequencies", "blocks", "robot")
    for name in lifter:
        if getattr(config.geometry, name) != getattr(vision_config.geometry, name):
            raise ValueError(
                f"geometry.{name} must be {getattr(vision_config.geometry, name)!r} as in {config.vision}"
            )
    key = cache_key(config.vision, config.data)
    cache = build_cache(config.out.parent / "feature_cache", key, backbone, reader, config.bf16)
    data = load_policy_data(reader, tokenizer, builder, texts)
    torch.manual_seed(config.seed)
    model = KineVLAModel(
        ModelConfig(
            vision=vision_config.vision,
            geometry=config.geometry,
            decoder=config.decoder,
            vocabulary_size=vocabulary.padded_size,
            state_dim=data.states.shape[1],
        ),
        pad_id=vocabulary.pad,
    )
    model.vision_backbone.load_state_dict(backbone.state_dict())
    seed_code_embeddings(model, vocabulary, tokenizer)
    states = torch.from_numpy(data.states[data.train])
    model.set_state_range(states.amin(0), states.amax(0))
    noise = CodeNoise(tokenizer, vocabulary)
    return PolicyRun(
        config=config,
        model=model,
        builder=builder,
        tokenizer=tokenizer,
        data=data,
        cache=cache,
        code_noise=noise,
        latents=noise.latents(data.chunks),
        vision_report=vision_report,
        data_summary=dict(reader.summary),
    )


def train_policy(config: PolicyTrainConfig) -> dict[str, Any]:
    """Train until the budget is used up; writes `out/best` and `out/last` as loadable checkpoints.

    Returns:
        The last validation figures with step and minutes.

    Raises:
        ResumeError: `out` holds a run with other settings.
        ManifestError: a damaged input.
    """
    set_threads(config.threads)
    run = prepare_run(config)
    model, data = run.model, run.data
    trainable = _trainable(model)
    optimiser = torch.optim.AdamW(
        trainable, lr=config.learning_rate, betas=(0.9, 0.95), weight_decay=config.weight_decay
    )
    budget = Budget(config.max_minutes, config.max_steps)
    state = load_state(config.out, config.identity())
    best = float("inf")
    warmup: dict[str, float] = {}
    if state is None:
        minutes = None if config.max_minutes is None else config.max_minutes * config.warmup.max_share
        warmup = warm_up_geometry(model, data, run.cache, run.tokenizer, config, minutes)
    else:
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        budget.step, budget.before_s, best, warmup = (
            state["step"],
            state["used_s"],
            state["best"],
            state["warmup"],
        )
    codes = tuple(f"val_code{stage + 1}_accuracy" for stage in range(run.tokenizer.codes_per_chunk))
    columns = ("step", "elapsed_s", "learning_rate", *_LOSS_COLUMNS, "samples_per_s", *_VAL_COLUMNS, *codes)
    metrics = MetricsLog(config.out / "metrics.csv", columns, budget.step)
    rng = np.random.default_rng([config.seed, 2])
    val_rows = data.val if len(data.val) else data.train
    val_rows = rng.permutation(val_rows)[: config.val_samples]
    figures: dict[str, float] = {}
    sums, since, mark = torch.zeros(4), 0, time.monotonic()
    set_training(model)
    while not budget.finished:
        rate = learning_rate(
            config.learning_rate,
            budget.progress,
            budget.step,
            config.schedule,
            config.warmup_steps,
            config.final_rate,
        )
        for group in optimiser.param_groups:
            group["lr"] = rate
        sums += _step(run, optimiser, trainable, budget.step)
        budget.step += 1
        since += 1
        finished = budget.finished
        if budget.step % config.val_every == 0 or finished:
            figures = validate(model, data, run.cache, run.builder, run.tokenizer, val_rows, config.bf16)
            set_training(model)
            log.info("validation at step %d: %s", budget.step, figures)
            report = {"step": budget.step, "minutes": budget.used_s / 60.0, "geometry": warmup} | figures
            _export(run, report, "last")
            if figures["joint_l1_mrad"] < best:
                best = figures["joint_l1_mrad"]
                _export(run, report, "best")
        if budget.step % config.log_every == 0 or finished:
            losses = dict(zip(_LOSS_COLUMNS, (sums / since).tolist(), strict=True))
            speed = since * config.batch_size / (time.monotonic() - mark)
            shown = {f"val_{key}": value for key, value in figures.items()}
            metrics.add(
                step=budget.step,
                elapsed_s=budget.used_s,
                learning_rate=rate,
                samples_per_s=speed,
                **losses,
                **shown,
            )
            log.info(
                "step %d %s %.0f samples/s", budget.step, {k: round(v, 3) for k, v in losses.items()}, speed
            )
            sums, since, mark, figures = torch.zeros(4), 0, time.monotonic(), figures if finished else {}
        if budget.step % config.save_every == 0 or finished:
            save_state(
                config.out,
                {
                    "identity": config.identity(),
                    "model": model.state_dict(),
                    "step": budget.step,
                    "optimiser": optimiser.state_dict(),
                    "used_s": budget.used_s,
                    "best": best,
                    "warmup": warmup,
                },
            )
    return {"step": budget.step, "minutes": budget.used_s / 60.0, "best_joint_l1_mrad": best} | figures


def set_training(model: KineVLAModel) -> None:
    """Switch to training, the frozen towers staying in evaluation."""
    model.train()
    model.vision_backbone.eval()


def _trainable(model: KineVLAModel) -> list[torch.nn.Parameter]:
    """Freeze the towers and return everything else."""
    model.vision_backbone.requires_grad_(False)
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def _step(
    run: PolicyRun, optimiser: torch.optim.Optimizer, trainable: list[torch.nn.Parameter], step: int
) -> torch.Tensor:
    """Do one optimiser step; its samples and noise depend on seed and step only."""
    config, data = run.config, run.data
    rng = np.random.default_rng([config.seed, 3, step])
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
    rows = data.train[rng.integers(len(data.train), size=config.batch_size)]
    wording = np.where(rng.random(len(rows)) < config.variant_share, rng.integers(1, 1000, size=len(rows)), 0)
    codes = run.code_noise.draw(run.latents[rows], config.code_noise, generator)
    batch = token_batch(data, run.builder, rows, wording, codes)
    features = run.cache.batch(rows)
    features = VisualFeatures(
        features.patches,
        noisy(features.keypoints, config.keypoint_noise, generator, 2),
        features.local,
        noisy(features.points, config.point_noise_m, generator, 3),
    )
    # For short sequences on a CPU the plain attention kernel is over half again as fast as the fused one.
    with sdpa_kernel(SDPBackend.MATH), torch.autocast("cpu", torch.bfloat16, enabled=config.bf16):
        loss = policy_loss(
            run.model,
            features,
            torch.from_numpy(data.states[rows]),
            batch,
            run.builder.vocabulary.bos,
            config,
        )
    optimiser.zero_grad(set_to_none=True)
    loss.total.backward()
    torch.nn.utils.clip_grad_norm_(trainable, config.clip)
    optimiser.step()
    return torch.stack([part.detach().float() for part in loss])


def _export(run: PolicyRun, report: dict[str, Any], name: str) -> None:
    training = {
        "policy": report,
        "vision": run.vision_report,
        "data": {key: value for key, value in run.data_summary.items() if key not in ("entries", "dropped")},
        "batch_size": run.config.batch_size,
        "threads": run.config.threads,
        "tasks": [text[0] for text in run.data.tasks],
    }
    save_checkpoint(
        run.config.out / name,
        CheckpointParts(
            model=run.model,
            builder=run.builder,
            action_tokenizer=run.tokenizer,
            action_tokenizer_directory=run.config.tokenizer,
            known_words=tuple(sorted(instruction_words(run.instructions))),
        ),
        training,
    )
