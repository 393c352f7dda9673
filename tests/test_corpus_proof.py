"""Every sample of corpus/ is built for real, before and after, and the images are searched."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from corpus_samples import SAMPLES, STUB, Sample

from dockerfix.verify.proof import Proof, prove, prove_given

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockerfix.verify.engine import Engine

pytestmark = pytest.mark.engine
BUILT = [sample for sample in SAMPLES if sample.built]


@pytest.fixture(scope="module")
def proofs(engine: Engine) -> Iterator[dict[str, Future[Proof]]]:
    """All samples at once: a build waits more than it works."""
    chosen = [sample for sample in BUILT if engine.composes or not sample.composed]
    with ThreadPoolExecutor(max_workers=4) as pool:
        yield {
            sample.name: pool.submit(
                prove_given if sample.quick else prove, engine, sample.project(sample.after, STUB)
            )
            for sample in chosen
        }


@pytest.mark.parametrize("sample", BUILT, ids=lambda sample: sample.name)
def test_sample_keeps_what_a_safe_fix_promises(
    sample: Sample, proofs: dict[str, Future[Proof]]
) -> None:
    if sample.name not in proofs:
        pytest.skip("this docker has no compose")
    proof = proofs[sample.name].result()
    assert proof.broken() == []
    assert len(proof.claims) > 8
