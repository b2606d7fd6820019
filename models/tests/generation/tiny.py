"""Random networks small enough to answer hundreds of times in a test, and their layout."""

from __future__ import annotations

import dataclasses
from functools import lru_cache

import torch

from kinevla.actions import ActionNormaliser, BiLevelTokenizer
from kinevla.actions.rvq_config import RvqVaeConfig
from kinevla.actions.rvq_vae import RvqVae
from kinevla.backbone.config import DecoderConfig, ModelConfig, TowersConfig, VitTowerConfig
from kinevla.backbone.model import KineVLAModel, Seen
from kinevla.configs.models import tiny
from kinevla.data.chunks import ChunkConfig
from kinevla.generation.answer import Generation
from kinevla.generation.draft import Draft
from kinevla.generation.generator import Generator
from kinevla.generation.grammar import Codes, Cursor, Grammar
from kinevla.generation.sequence import SequenceBuilder
from kinevla.generation.spelling import Spelling
from kinevla.text import Vocabulary, build_word_tokenizer, load_task_texts

HIDDEN, CODES = 32, 16
TASKS = load_task_texts("kine_realman")
TOKENIZER = build_word_tokenizer([text for t in TASKS for text in (t.instruction, t.coarse, t.fine)])
VOCABULARY = Vocabulary.after_text(
    len(TOKENIZER), codebook_size=CODES, goal_codes=2, kinematics_codes=2, bos=1, eos=2, pad=0
)
GRAMMAR = Grammar(VOCABULARY, first_text_id=4, max_text_tokens=24)
BUILDER = SequenceBuilder(TOKENIZER, GRAMMAR)
_DECODER = DecoderConfig(hidden_size=HIDDEN, layers=2, heads=2, intermediate_size=64)
_TOWER = VitTowerConfig(width=8, depth=2, heads=2, mlp_hidden=16)
MOTION = dataclasses.replace(tiny(), decoder=_DECODER, vocabulary_size=VOCABULARY.padded_size)
MODELS: dict[str, ModelConfig] = {
    # The small network: codes spell a motion that is read without sight of the instruction.
    "motion": MOTION,
    # The same without the readout: the output head chooses codes, still without the instruction.
    "codes": dataclasses.replace(MOTION, readout=None),
    # The OpenVLA format: one sequence, instruction and all.
    "towers": dataclasses.replace(
        MOTION, readout=None, vision=TowersConfig(28, ("front",), _TOWER, _TOWER)
    ),
}  # fmt: skip
MODEL = MODELS["motion"]
SMALL = ("motion", "codes")


@lru_cache(maxsize=1)
def actions() -> BiLevelTokenizer:
    """A tokenizer with random codebooks."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        network = RvqVae(RvqVaeConfig(latent=8, hidden=16, blocks=1, codebook_size=CODES))
        for stack, scale in ((network.goal_stack, 1.0), (network.kinematics_stack, 0.3)):
            assert stack is not None
            for layer in stack.layers:
                layer._codebook.embed.data.copy_(torch.randn(1, CODES, 8) * scale)
                layer._codebook.initted.data.fill_(True)
    normaliser = ActionNormaliser((-1.0,) * 8, (1.0,) * 8, (False,) * 7 + (True,))
    return BiLevelTokenizer(network, normaliser, ChunkConfig(), 0.1)


@lru_cache(maxsize=1)
def spelling() -> Spelling:
    return Spelling(actions())


def random_model(seed: int, kind: str = "motion") -> KineVLAModel:
    torch.manual_seed(seed)
    model = KineVLAModel(MODELS[kind]).eval().requires_grad_(False)
    # Large random weights: every position then has a clear favourite that depends on all ids before it.
    for parameter in model.language_model.parameters():
        parameter.copy_(torch.randn(parameter.shape) * 0.25)
    if model.readout is not None:
        for readout in model.readout:
            for parameter in readout.motion.parameters():
                parameter.mul_(5.0)
    return model


def generator(model: KineVLAModel, grammar: Grammar = GRAMMAR) -> Generator:
    return Generator(model, grammar, spelling() if model.readout is not None else None)


def observation(seed: int) -> Seen:
    """What is seen at random, of the shapes `KineVLAModel.observe` gives."""
    draw = torch.Generator().manual_seed(seed)
    sight = tiny().vision
    cells, cameras = (sight.image_size // 8) ** 2, len(sight.cameras)
    shapes = ((cameras, cells, sight.width), (cameras, cells, sight.found))
    looks = [torch.randn(1, *shape, generator=draw) for shape in shapes]
    robot = torch.randn(1, 3 * 8 + 12, generator=draw)
    return Seen(torch.randn(1, 5, HIDDEN, generator=draw), (*looks, robot))


def prompt(seed: int, length: int = 12) -> torch.Tensor:
    """A random instruction as the decoder reads it."""
    return torch.randn(length, HIDDEN, generator=torch.Generator().manual_seed(1000 + seed)) * 0.25


PROMPT = prompt(0)


def slow_greedy(
    model: KineVLAModel, seen: Seen, told: torch.Tensor = PROMPT, grammar: Grammar = GRAMMAR
) -> tuple[int, ...]:
    """Reference: no cache, no draft, one id per full forward pass."""
    cursor = Cursor(grammar)
    motion = torch.empty(0)
    with torch.no_grad():
        while not cursor.done:
            token = cursor.determined()
            if token is None:
                codes = isinstance(cursor.segment, Codes)
                alone = codes and model.config.reads_alone and grammar.reasoning
                state = _last_state(model, seen, told[:0] if alone else told, cursor.written)
                if codes and model.readout is not None:
                    if cursor.offset == 0:
                        words = torch.tensor([list(cursor.text(cursor.segment.name)) or [model.pad_id]])
                        motion = model.read(words, seen, int(cursor.segment.name == "kinematics")).motion
                    token = _nearest(cursor, motion)
                else:
                    scores = model.logits(state)
                    allowed, extra = cursor.admissible()
                    candidates = [*allowed, *([extra] if extra is not None else [])]
                    token = max(candidates, key=lambda index: float(scores[index]))
            cursor.advance(token)
    return tuple(cursor.written)


def _last_state(model: KineVLAModel, seen: Seen, told: torch.Tensor, written: list[int]) -> torch.Tensor:
    start = model.embed_ids(torch.tensor([VOCABULARY.bos]))
    answer = model.embed_ids(torch.tensor(written, dtype=torch.long))
    return model.hidden_states(torch.cat([start, seen.tokens[0], told, answer])[None])[0, -1]


def _nearest(cursor: Cursor, motion: torch.Tensor) -> int:
    """The code nearest to what all codes before have left of a motion."""
    books = [torch.from_numpy(book) for book in actions().code_vectors()]
    rest = actions().network.encode_latent(motion)[0]
    stage = len(cursor.all_codes())
    for book, code in zip(books, cursor.all_codes(), strict=False):
        rest = rest - book[code]
    code = int((books[stage] - rest).norm(dim=1).argmin())
    return VOCABULARY.code_id(VOCABULARY.levels()[stage], code)


def spoil(values: tuple[int, ...], keep: float, limit: int) -> tuple[int, ...]:
    """Change all ids after the first `keep` share."""
    start = round(len(values) * keep)
    return tuple(v if i < start else 4 + (v + 1) % (limit - 4) for i, v in enumerate(values))


def draft_like(answer: Generation, keep: float) -> Draft:
    return Draft(
        spoil(answer.goal_text, keep, VOCABULARY.text_size),
        tuple((c + (keep < 1.0)) % CODES for c in answer.goal_codes),
        spoil(answer.kinematics_text, keep, VOCABULARY.text_size),
        tuple((c + (keep < 1.0)) % CODES for c in answer.kinematics_codes),
    )
