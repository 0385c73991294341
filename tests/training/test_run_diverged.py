"""A run that diverges, and how it goes on."""

import json
from functools import partial

import pytest
import torch

from sphereface_plus import checkpoint
from sphereface_plus.commands.describe import describe
from sphereface_plus.training import classifier, face, reporting
from sphereface_plus.training.failures import ChanceLevel, NonFiniteError
from sphereface_plus.training.folder import RunError, RunFolder
from sphereface_plus.training.logs import read_log
from sphereface_plus.training.run import train


def diverging(tiny, steps):
    """A run whose first update is finite and absurd."""
    return tiny(
        **{"optimizer.learning_rate": 1e30, "optimizer.milestones": [], "train.steps": steps},
        **{"train.checkpoint_every": 1},
    )


@pytest.mark.parametrize("steps", [1, 2])
def test_an_update_that_breaks_the_network_is_named_and_no_checkpoint(tiny, tmp_path, steps):
    with pytest.raises(RunError, match="step 0: the update made the embeddings infinite, the run has dive"):
        train(diverging(tiny, steps), tmp_path / "run")
    assert (tmp_path / "run" / "failure" / "state.pt").is_file()
    with pytest.raises(checkpoint.CheckpointError, match="this run has saved no checkpoint yet"):
        checkpoint.load(tmp_path / "run")


def test_resume_of_a_diverged_run_diverges_again_and_is_never_called_finished(tiny, tmp_path):
    for _ in range(2):
        with pytest.raises(RunError, match="the run has diverged"):
            train(diverging(tiny, 1), tmp_path / "run", resume=True)


def test_a_diverged_run_goes_on_with_a_gentler_setting_and_keeps_on_record_which(
    tiny, tmp_path, monkeypatch, capsys
):
    folder = RunFolder(tmp_path / "run")
    folder.write_config(tiny())
    with pytest.raises(RunError, match=r"recipe differs: optimizer\.learning_rate"):
        train(tiny(**{"optimizer.learning_rate": 0.001}), folder.path, resume=True)
    train(tiny(**{"train.steps": 6}), folder.path, resume=True)
    update = classifier.ClassifierLearner.update

    def diverging(learner, batch, step):
        if step == 7:
            raise NonFiniteError(step, "loss")
        return update(learner, batch, step)

    monkeypatch.setattr(classifier.ClassifierLearner, "update", diverging)
    with pytest.raises(RunError, match="after a divergence --resume takes these changed, as by --set optim"):
        train(tiny(), folder.path, resume=True)
    monkeypatch.undo()
    gentler = tiny(**{"optimizer.learning_rate": 0.001, "optimizer.clip_norm": 5.0})
    with pytest.raises(RunError, match="recipe differs: seed"):
        train(tiny(seed=4), folder.path, resume=True)
    assert train(gentler, folder.path, resume=True).step == 8
    said = capsys.readouterr().err
    assert "changed from step 6 on: optimizer.clip_norm None -> 5.0" in said
    assert "changed from step 6 on: optimizer.learning_rate 0.01 -> 0.001" in said
    rates = {line["step"]: line["learning_rate"] for line in read_log(folder.log)}
    assert rates[7] == pytest.approx(0.0001)  # after the milestone
    changes = checkpoint.load(folder.path)["changes"]
    assert [(change["step"], change["setting"]) for change in changes] == [
        (6, "optimizer.clip_norm"),
        (6, "optimizer.learning_rate"),
    ]
    assert "changed    from step 6 on: optimizer.learning_rate 0.01 -> 0.001" in describe(folder.path)
    assert (folder.path / "failure_before_6_1" / "state.pt").is_file()
    with pytest.raises(RunError, match="recipe differs"):  # it has not diverged since
        train(tiny(**{"train.steps": 9}), folder.path, resume=True)


def test_non_finite_loss_stops_with_batch_and_state_saved(tiny, tmp_path, monkeypatch):
    normalise, calls = face.normalise, iter(range(100))

    def poisoned(crops, spec):
        return normalise(crops, spec) * (float("nan") if next(calls) == 5 else 1.0)

    monkeypatch.setattr(face, "normalise", poisoned)
    with pytest.raises(RunError, match=r"step 5: the loss is not finite; its batch .* are in .*failure; try"):
        train(tiny(**{"train.checkpoint_every": 100}), tmp_path / "run")
    failure = tmp_path / "run" / "failure"
    batch = json.loads((failure / "batch_rank0.json").read_text())
    assert batch["step"] == 5
    assert len(batch["paths"]) == len(batch["labels"]) == 8
    assert all(
        f"person_{label}/" in path for path, label in zip(batch["paths"], batch["labels"], strict=True)
    )
    state = checkpoint.load(failure / "state.pt")
    assert state["step"] == 5
    assert all(torch.isfinite(value).all() for value in state["network"].values())


def test_chance_level_is_said_once(tiny, tmp_path, capsys, monkeypatch):
    def blind_network(network_config):
        network = build_network(network_config)
        torch.nn.init.zeros_(network.embed.weight)  # every embedding is zero: all logits are equal
        return network

    build_network = face.build_network
    monkeypatch.setattr(face, "build_network", blind_network)
    monkeypatch.setattr(reporting, "ChanceLevel", partial(ChanceLevel, steps=5))
    train(tiny(**{"optimizer.learning_rate": 1e-12}), tmp_path / "run")
    assert capsys.readouterr().err.count("chance level: since step 0 the loss has been ln(6) = 1.792") == 1
