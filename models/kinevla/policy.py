"""The policy as the robot uses it: observation and sentence in, reasoning and a chunk of targets out."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from kinevla.backbone.inference import synchronise
from kinevla.backbone.model import Seen
from kinevla.checkpoint import CheckpointParts, load_checkpoint
from kinevla.flow.decoding import chunk_of_sequence
from kinevla.generation.generator import Generator
from kinevla.generation.spelling import Spelling
from kinevla.observation.observation import Observation, ObservationError, network_inputs
from kinevla.observation.past import NO_PAST, past_inputs, remembered
from kinevla.plan import Plan
from kinevla.text.instruction import InstructionError, check_instruction
from kinevla.understanding import Understanding, read_otherwise

__all__ = ["InstructionError", "KineVLAPolicy", "Observation", "ObservationError", "Plan"]


class KineVLAPolicy:
    """A loaded policy; `plan` may be called from any thread, one call at a time is computed.

    Args:
        parts: network, layout and tokenizers; the network is put in evaluation.
        generator: writes the answers; made from the parts when None.
    """

    def __init__(self, parts: CheckpointParts, generator: Generator | None = None) -> None:
        parts.model.eval().requires_grad_(False)
        self._parts = parts
        self._generator = generator or answerer(parts)
        self._understanding = Understanding(parts.texts, parts.doubt_limit_nat)
        self._told: tuple[str, torch.Tensor] = ("", torch.empty(0))
        self._lock = threading.Lock()

    @classmethod
    def load(cls, checkpoint_dir: Path | str, threads: int | None = None) -> KineVLAPolicy:
        """Load a checkpoint directory after checking every file against its manifest.

        Args:
            threads: CPU threads of tensor operations in this process, None to leave them as they are.

        Raises:
            ManifestError: a file is missing or was changed.
            StatisticsError: action statistics of another training.
            CheckpointError: parts that do not fit together.
        """
        if threads is not None:
            if threads < 1:
                raise ValueError(f"threads must be at least 1, got {threads}")
            torch.set_num_threads(threads)
        policy = cls(load_checkpoint(Path(checkpoint_dir)))
        policy.warm_up()
        return policy

    @torch.inference_mode()
    def warm_up(self) -> None:
        """Use the pretrained encoders once, so that the first chunk takes no longer than others.

        Raises:
            PretrainedError: one of them is not installed, or another version.
        """
        model, vision = self._parts.model, self._parts.model.config.vision
        if model.config.reads_alone:
            shape = (1, len(vision.cameras), vision.image_size, vision.image_size, 3)
            model.features(torch.zeros(shape, dtype=torch.uint8, device=model.device))
            model.told(["be ready"])

    @property
    def parts(self) -> CheckpointParts:
        """Network, layout and tokenizers, for studies that look inside."""
        return self._parts

    @property
    def period_s(self) -> float:
        """Time between action rows."""
        return self._parts.action_tokenizer.period_s

    @property
    def horizon(self) -> int:
        """Action rows per plan."""
        return self._parts.action_tokenizer.horizon

    def check_instruction(self, text: str) -> str:
        """Return the instruction in the form `plan` uses.

        Raises:
            InstructionError: empty, longer than 200 characters, control characters, or no words.
        """
        return check_instruction(text)

    def understand(self, observation: Observation, instruction: str) -> Plan:
        """Return the first plan of an instruction, if the policy understood what it is told.

        Raises:
            InstructionError: it did not; the text says what, and names the nearest sentence it knows.
        """
        plan = self.plan(observation, instruction)
        sentence = self.check_instruction(instruction)
        self._understanding.check(sentence, plan.goal_text, plan.kinematics_text, plan.doubt_nat)
        return plan

    def check_reasoning(self, text: str) -> str:
        """Return a reasoning text in the form `plan` takes as forced reasoning, with single spaces.

        Raises:
            InstructionError: empty, unknown words (named), or longer than the model may write.
        """
        words = " ".join(text.split())
        if not words:
            raise InstructionError("the reasoning is empty")
        builder = self._parts.builder
        try:
            count = len(builder.text(words))
        except ValueError as error:
            raise InstructionError(str(error)) from error
        if count > builder.grammar.max_text_tokens:
            raise InstructionError(
                f"the reasoning has {count} tokens, at most {builder.grammar.max_text_tokens} are accepted"
            )
        return words

    def plan(
        self,
        observation: Observation,
        instruction: str,
        previous: Plan | None = None,
        forced_reasoning: tuple[str | None, str | None] | None = None,
    ) -> Plan:
        """Answer one observation (Algorithm 1 of the paper, one pass of its loop).

        Args:
            instruction: what to do; checked as in `check_instruction`.
            previous: the plan before, of the same instruction; None at its start. Its texts save time and
                change nothing. A network that remembers takes from it what came before.
            forced_reasoning: (coarse, fine) texts to use instead of the policy's own, for studies of what the
                motion makes of the reasoning; None leaves a level to the policy.

        Raises:
            ObservationError: image of another type or too small, or a state that is not (8,) finite numbers.
        """
        sentence = self.check_instruction(instruction)
        builder = self._parts.builder
        model = self._parts.model
        past = NO_PAST if previous is None else previous.past
        inputs = self.inputs(observation, past)
        forced = None
        if forced_reasoning is not None:
            forced = {
                name: builder.text(text)
                for name, text in zip(("goal", "kinematics"), forced_reasoning, strict=True)
                if text is not None
            }
        with self._lock, torch.inference_mode():
            begin = time.perf_counter()
            seen = self.look(*inputs)
            synchronise(model.device)
            looked = time.perf_counter()
            prompt = self._prompt(sentence)
            answer = self._generator.generate(
                seen, prompt, previous.draft if previous is not None else None, forced
            )
            generated = time.perf_counter()
            tokenizer = self._parts.action_tokenizer
            states = np.asarray(observation.state, dtype=np.float64)[None]
            if model.flow_head is None:
                codes = np.array([answer.goal_codes + answer.kinematics_codes])
                actions = tokenizer.decode_absolute(codes, states)[0]
            else:
                heard = prompt[:0] if model.config.reads_alone and builder.grammar.reasoning else prompt
                chunk = chunk_of_sequence(model, seen, heard, answer.ids, builder.vocabulary.bos)
                actions = tokenizer.absolute_targets(tokenizer.normaliser.denormalise(chunk[None]), states)[0]
            end = time.perf_counter()
        latency_s = {
            "vision": looked - begin,
            "prefill_verify": answer.first_pass_s,
            "decode": answer.decode_s,
            "generation": generated - looked,
            "action_decoder": end - generated,
            "total": end - begin,
        }
        goal_text, kinematics_text = map(builder.decode_text, (answer.goal_text, answer.kinematics_text))
        changed = ""
        if previous is not None and not forced:
            before = (previous.goal_text, previous.kinematics_text)
            changed = read_otherwise(before, (goal_text, kinematics_text))
        return Plan(
            goal_text=goal_text,
            kinematics_text=kinematics_text,
            goal_codes=answer.goal_codes,
            kinematics_codes=answer.kinematics_codes,
            actions=actions,
            reasoning_reused=answer.goal_text_reused and answer.kinematics_text_reused,
            tokens_reused=answer.accepted,
            tokens_decoded=len(answer.ids) - answer.accepted,
            forward_passes=answer.forward_passes + (model.flow_head is not None),
            latency_s=latency_s,
            period_s=self.period_s,
            doubt_nat=max(answer.surprise),
            unclear=self._understanding.problem(goal_text, kinematics_text) or changed,
            draft=answer.draft,
            past=remembered(past, observation.state, model.config.moments),
        )

    def inputs(
        self, observation: Observation, past: NDArray[np.float64] = NO_PAST
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Check an observation and turn it into what the network reads.

        Args:
            past: (K, D) states at earlier plans of the instruction, the latest first.

        Returns:
            Images (1, N, S, S, 3) uint8, state (1, D) float32 and earlier states (1, H, D) float32.

        Raises:
            ObservationError: see `plan`.
        """
        model = self._parts.model
        config = model.config
        images, state = network_inputs(
            observation, self._parts.images, config.vision.cameras, config.state_dim
        )
        before = past_inputs(past, config.moments, config.state_dim)
        return images.to(model.device), state.to(model.device), before.to(model.device)

    def look(self, images: torch.Tensor, state: torch.Tensor, past: torch.Tensor) -> Seen:
        """Return what the network sees in `inputs`."""
        model = self._parts.model
        return model.observe(model.features(images), state, past)

    def _prompt(self, sentence: str) -> torch.Tensor:
        """Embed an instruction (P, hidden); the latest is remembered, as many chunks share it."""
        if self._told[0] != sentence:
            self._told = (sentence, embedded_prompt(self._parts, sentence))
        return self._told[1]


def answerer(parts: CheckpointParts) -> Generator:
    """Return what writes the answers of a checkpoint's network."""
    model, grammar = parts.model, parts.builder.grammar
    spelling = Spelling(parts.action_tokenizer, model.device) if model.readout is not None else None
    return Generator(model, grammar, spelling=spelling)


@torch.inference_mode()
def embedded_prompt(parts: CheckpointParts, sentence: str) -> torch.Tensor:
    """Embed a checked instruction as the decoder reads it: (P, hidden).

    Raises:
        ValueError: with a network of the OpenVLA format, ids that could end the prompt.
        PretrainedError: the pretrained reader of sentences is not installed.
    """
    model = parts.model
    if model.config.reads_alone:
        return model.told([sentence])[0]
    ids = torch.tensor(parts.builder.prompt(sentence), dtype=torch.long, device=model.device)
    return model.embed_ids(ids)
