"""Classifiers that the ranks of arcface_torch have saved, in the layouts of its versions, merged."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from sphereface_plus import weights
from sphereface_plus.__main__ import cli
from sphereface_plus.pretrained import PretrainedError, convert
from sphereface_plus.pretrained.insightface_parts import merged
from tests.pretrained.test_insightface import iresnet, mobilefacenet

D = 16
NAMES = {
    "rank:{}_softmax_weight.pt": "matrix",
    "rank_{}_softmax_weight.pt": "matrix",
    "softmax_fc_gpu_{}.pt": "state",
    "checkpoint_gpu_{}.pt": "checkpoint",
}


def rows_of(identities: int, dimensions: int = D) -> torch.Tensor:
    """Prototypes whose first number is their label."""
    rows = torch.randn(identities, dimensions)
    rows[:, 0] = torch.arange(identities)
    return rows


class PartialFC(nn.Module):
    """What a rank keeps, as `weight`."""

    def __init__(self, rows: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(rows)


def checkpoint_of(module: nn.Module, tensors: dict, step: int) -> dict:
    """With the optimizer's and the scheduler's states, as after some updates."""
    optimizer = torch.optim.SGD(module.parameters(), lr=0.0, momentum=0.9)
    schedule = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=20)
    module.weight.grad = torch.ones_like(module.weight)
    optimizer.step()
    schedule.step()
    return {
        "epoch": 2,
        "global_step": step,
        "state_dict_backbone": tensors,
        "state_dict_softmax_fc": module.state_dict(),
        "state_optimizer": optimizer.state_dict(),
        "state_lr_scheduler": schedule.state_dict(),
    }


def write(folder, name, rows, ranks, *, tensors=None, steps=None):
    """The files of so many ranks; np.array_split gives the first ones one more, as arcface_torch does."""
    folder.mkdir(exist_ok=True)
    files = []
    for rank, labels in enumerate(np.array_split(np.arange(len(rows)), ranks)):
        part = rows[torch.from_numpy(labels)].clone()
        content = part
        if NAMES[name] != "matrix":
            module = PartialFC(part)
            content = module.state_dict()
            if NAMES[name] == "checkpoint":
                content = checkpoint_of(module, tensors or {}, steps[rank] if steps else 500)
        files.append(folder / name.format(rank))
        torch.save(content, files[-1])
        if NAMES[name] == "matrix":
            mom = files[-1].with_name(files[-1].name.replace("weight.pt", "weight_mom.pt"))
            torch.save(torch.zeros_like(part), mom)
    return files


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("identities", "ranks"), [(23, 8), (24, 8), (5, 1), (3, 3)])
def test_parts_in_any_order_are_all_prototypes_in_the_labels_order(tmp_path, name, identities, ranks):
    rows = rows_of(identities)
    files = write(tmp_path, name, rows, ranks)
    joined, words = merged(files[::-1], D)
    assert torch.equal(joined, rows)
    assert words.startswith(f"prototypes of {ranks} rank{'s' if ranks > 1 else ''}, {files[0].name}")


def test_ranks_from_the_tenth_on_come_behind_the_ninth(tmp_path):
    rows = rows_of(29)
    assert torch.equal(merged(write(tmp_path, "softmax_fc_gpu_{}.pt", rows, 12), D)[0], rows)


def test_the_published_heads_of_ms1mv3_have_91180_people():
    """insightface's issue 1758 lists the lengths of eight published parts: 11,398 of four, 11,397 of four.
    It is not the 93,431 of the data set's name, which is told, as nothing else would."""
    lengths = [len(part) for part in np.array_split(np.arange(91_180), 8)]
    assert lengths == [11_398] * 4 + [11_397] * 4


def test_a_folder_of_parts_becomes_a_start_with_all_people(tmp_path):
    tensors, rows = mobilefacenet(D), rows_of(11)
    torch.save(tensors, tmp_path / "backbone.pth")
    write(tmp_path / "heads", "rank_{}_softmax_weight.pt", rows, 4)
    (tmp_path / "people.txt").write_text("".join(f"p{number}\n" for number in range(11)))
    call = ["convert", tmp_path / "backbone.pth", tmp_path / "face.safetensors", "--from", "insightface"]
    call += ["--head", tmp_path / "heads", "--identities", tmp_path / "people.txt"]
    result = CliRunner().invoke(cli, [str(word) for word in call], catch_exceptions=False)
    assert result.exit_code == 0
    assert "11 prototypes, named\n" in result.output
    assert "prototypes of 4 ranks, rank_0_softmax_weight.pt to rank_3_softmax_weight.pt" in result.output
    model = weights.load(tmp_path / "face.safetensors")
    assert torch.equal(model.loss["prototypes"], rows)
    assert model.info.identities == tuple(f"p{number}" for number in range(11))
    assert torch.equal(model.network["features.layers.2.weight"], tensors["features.layers.2.weight"])


def test_a_checkpoints_other_ranks_are_found_beside_it(tmp_path, monkeypatch):
    """Each rank has batch statistics of its own: the network is that of the file that was named."""
    tensors, rows = iresnet((2, 2, 2, 2), D), rows_of(7)
    write(tmp_path / "run", "checkpoint_gpu_{}.pt", rows, 3, tensors=tensors)
    monkeypatch.chdir(tmp_path / "run")
    model = convert("checkpoint_gpu_1.pt", tmp_path / "face.safetensors", "insightface")
    assert torch.equal(model.loss["prototypes"], rows)
    assert model.info.network.name == "iresnet18"
    again = convert(
        tmp_path / "run/checkpoint_gpu_1.pt", tmp_path / "again.safetensors", "insightface", head=["."]
    )
    assert torch.equal(again.loss["prototypes"], rows)


@pytest.mark.parametrize("name", ["rank_{}_softmax_weight.pt", "checkpoint_gpu_{}.pt"])
def test_parts_that_do_not_belong_together_are_refused_in_a_sentence(tmp_path, name):
    def refused(files, match):
        with pytest.raises(PretrainedError, match=match) as error:
            merged(files, D)
        assert "\n" not in str(error.value)

    first = name.format(0)
    files = write(tmp_path / "a", name, rows_of(10), 4)
    refused(
        [*files[:2], files[3]], f"{re.escape(name.format(3))}: is rank 3, and the file of rank 2 is missing"
    )
    refused(files[1:], "is rank 3, and the file of rank 0 is missing")
    others = write(tmp_path / "b", name, rows_of(10), 4)
    refused([*files, others[0]], f"{first}: is rank 0, and so is .*a.{first}; name each rank once")
    wide = write(tmp_path / "c", name, rows_of(10, 8), 4)
    refused([*files[:3], wide[3]], "prototypes have 8 numbers, the network's embeddings 16; it is of another")
    larger = write(tmp_path / "d", name, rows_of(16), 4)
    refused(
        [larger[0], *files[1:]], r"ranks 0 to 3 hold 4, 3, 2, 2 prototypes; arcface_torch gives each rank"
    )
    short = write(tmp_path / "f", name, rows_of(10), 4)
    torch.save(torch.zeros(3), short[1])
    refused(short, "holds no matrix called weight, a rank's prototypes")
    fc = write(tmp_path / "g", "softmax_fc_gpu_{}.pt", rows_of(10), 4)
    refused([files[0], *fc[1:]], r"the parts are of several kinds, \w+, \w+; name those of one")


def test_parts_of_two_moments_are_refused(tmp_path):
    files = write(tmp_path, "checkpoint_gpu_{}.pt", rows_of(10), 2, steps=[500, 400])
    with pytest.raises(
        PretrainedError, match=r"gpu_1\.pt: was saved after step 400, checkpoint_gpu_0\.pt after 500"
    ):
        merged(files, D)


def test_momentum_a_folder_without_parts_and_one_of_two_kinds_are_refused(tmp_path):
    torch.save(mobilefacenet(D), tmp_path / "model.pt")
    out = tmp_path / "face.safetensors"

    def refused(head, match):
        with pytest.raises(PretrainedError, match=match):
            convert(tmp_path / "model.pt", out, "insightface", head=[head])
        assert not out.exists()

    write(tmp_path / "heads", "rank_{}_softmax_weight.pt", rows_of(6), 2)
    mom = tmp_path / "heads/rank_1_softmax_weight_mom.pt"
    refused(
        mom,
        r"weight_mom\.pt: holds the optimizer's momentum; the prototypes are in rank_1_softmax_weight\.pt",
    )
    write(tmp_path / "heads", "softmax_fc_gpu_{}.pt", rows_of(6), 2)
    refused(tmp_path / "heads", r"several kinds \(softmax_fc_gpu, softmax_weight\); name the files of one")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", r"empty: holds no part of a classifier of arcface_torch, such as rank_0_soft")


def test_a_part_with_code_in_it_is_refused_and_the_code_does_not_run(tmp_path, capsys):
    class Code:
        def __reduce__(self):
            return print, ("run",)

    files = write(tmp_path, "softmax_fc_gpu_{}.pt", rows_of(4), 2)
    torch.save({"weight": Code()}, files[1])
    with pytest.raises(PretrainedError, match="holds more than tensors and plain data; refused"):
        merged(files, D)
    assert "run" not in capsys.readouterr().out
