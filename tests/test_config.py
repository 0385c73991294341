import pytest

from sphereface_plus import config
from sphereface_plus.config.recipes import recipes_folder

RECIPE = """
name: tiny
data: {path: crops}
network: {name: sphereface4, embedding_size: 16}
loss: {kind: a_softmax, margin: 4}
optimizer: {learning_rate: 1e-1, milestones: [3, 6]}
train: {steps: 10, batch_size: 4}
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE)
    return path


def test_a_recipe_is_read_with_defaults_for_what_it_leaves_out(recipe):
    loaded = config.load(recipe)
    assert loaded.optimizer.learning_rate == 0.1  # 1e-1 is a number, though YAML 1.1 reads a string
    assert loaded.optimizer.milestones == (3, 6)
    assert loaded.loss == config.ASoftmaxConfig(kind="a_softmax", margin=4)
    assert loaded.mhe.weight == 0.0
    assert loaded.network.input.color == "bgr"


def test_a_config_written_as_plain_data_is_read_back_unchanged(recipe):
    loaded = config.load(recipe)
    assert config.from_dict(config.to_dict(loaded)) == loaded


def test_overrides_are_applied_in_order(recipe):
    loaded = config.load(recipe, ["mhe.weight=1e-3", "mhe.weight=2.5", "network.input.color=rgb"])
    assert loaded.mhe.weight == 2.5
    assert loaded.network.input.color == "rgb"


def test_changing_the_kind_drops_the_old_kinds_settings(recipe):
    loaded = config.load(recipe, ["loss.kind=am_softmax", "loss.scale=20"])
    assert loaded.loss == config.AMSoftmaxConfig(kind="am_softmax", scale=20.0)


def test_a_kind_that_shares_the_groups_settings_keeps_them():
    """Of a generator's loss, in whichever order they are typed."""
    changes = ["loss.gradient_penalty={}", "loss.kind=wasserstein"]
    for overrides in (changes, changes[::-1]):
        loss = config.load(recipes_folder() / "gan" / "sngan_b.yaml", overrides).loss
        assert (loss.kind, loss.gradient_penalty.weight) == ("wasserstein", 10)


def test_repeating_the_kind_keeps_its_settings(recipe):
    loaded = config.load(recipe, ["loss.margin=3", "loss.kind=a_softmax"])
    assert loaded.loss == config.ASoftmaxConfig(kind="a_softmax", margin=3)


def test_a_name_that_looks_like_a_date_is_text(recipe):
    assert config.load(recipe, ["name=2026-11-24"]).name == "2026-11-24"


def test_a_config_cannot_be_changed_after_loading(recipe):
    with pytest.raises(Exception, match="frozen"):
        config.load(recipe).seed = 3


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("mhe.wieght=1", r"mhe\.wieght: is not a setting; did you mean mhe\.weight\?"),
        ("zzzzz=1", r"zzzzz: is not a setting$"),
        ("train.steps=1.5", r"train\.steps: .* got 1\.5"),
        ("train.steps='10'", r"train\.steps: .* got '10'"),
        ("train.steps=0", r"train\.steps: .* got 0"),
        ("optimizer.learning_rate=.nan", r"optimizer\.learning_rate: "),
        ("loss.margin=7", r"loss\.margin: .*1, 2, 3 or 4, got 7"),
        ("loss.kind=arcfce", r"loss\.kind: must be one of .*a_softmax.*, got 'arcfce'"),
        ("loss.scale=2", r"loss\.scale: is not a setting of a_softmax, which has gradient, kind, .*margin"),
        (
            "loss={kind: arcface, margin: 4}",
            r"loss\.margin: is not a setting of arcface, which has .*margin_radians",
        ),
        ("loss=3", r"loss: must be a group of settings, got 3"),
        ("optimizer.milestones=5", r"optimizer\.milestones: must be a list, got 5"),
        ("data.flip=perhaps", r"data\.flip: must be true or false, got 'perhaps'"),
        ("data.path=3", r"data\.path: must be text, got 3"),
        ("network.input.mean=[1, 2]", r"network\.input\.mean: has 2 values, more are needed"),
        ("task=image", r"is a recipe of task face, --set cannot make it another"),
        ("train.accumulate=3", r"train\.batch_size 4 is not divisible by train\.accumulate 3"),
        ("optimizer.milestones=[6, 3]", r"optimizer\.milestones must increase, got \[6, 3\]"),
        (
            "optimizer.milestones=[10]",
            r"milestones: 10 has no effect, train\.steps is 10; .* --set optimizer\.milestones=\[\]",
        ),
        ("optimizer.milestones=[0, 3]", r"optimizer\.milestones must be positive"),
        ("optimizer.warmup_steps=10", r"optimizer\.warmup_steps 10 never ends, train\.steps is 10"),
        ("name=..", r"name: .* got '\.\.'"),
        ("reset_head=true", r"reset_head has no effect without init_from"),
        ("network.input.template=a b", r"template must be a name of letters, digits, _, - and ., got 'a b'"),
        ("network.input.template=--x", r"template must be a name of letters, digits, _, - and ., got '--x'"),
        ("network.input.std=[1, 0, 1]", r"std must be positive"),
        ("name=a/b", r"name: .* got 'a/b'"),
        ("seed", r"--set seed: expected key=value"),
        ("name.a=1", r"--set name\.a=1: name is a value, not a group"),
        ("name=[", r"--set name=\[: '\[' is not a value"),
        (
            "name=!!binary aGVsbG8=",
            r"--set name=!!binary aGVsbG8=: a value is not text, number, list or group",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(recipe, override, sentence):
    with pytest.raises(config.ConfigError, match=sentence):
        config.load(recipe, [override])


def test_every_mistake_gets_a_line_of_its_own(recipe):
    with pytest.raises(config.ConfigError) as caught:
        config.load(recipe, ["train.steps=a", "mhe.weight=-1"])
    assert len(str(caught.value).splitlines()) == 2


def test_a_missing_setting_is_named(tmp_path):
    path = tmp_path / "empty.yaml"
    path.write_text("name: a\n")
    with pytest.raises(config.ConfigError, match=r"empty\.yaml: network: is required and not given"):
        config.load(path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("- 1\n", r"bad\.yaml: is not a recipe, lines of `setting: value`, but a list"),
        ("path,group\nann,a\n", r"bad\.yaml: is not a recipe, lines of `setting: value`, but a text"),
        ("12", r"bad\.yaml: is not a recipe, lines of `setting: value`, but a number"),
        ("", r"bad\.yaml: is empty"),
        ("a: &a [*a]", r"bad\.yaml: (is not a recipe|.*it holds itself)"),
        ("name: 0b_", r"bad\.yaml: is not YAML \(invalid literal for int"),
        ("[" * 10_000, r"bad\.yaml: is not YAML \(maximum recursion depth"),
        ("name: " + "9" * 5000, r"bad\.yaml: is not YAML \(Exceeds the limit"),
        ("\na: b: c", r"bad\.yaml, line 2: is not YAML \(mapping values are not allowed here\)"),
        ("task: [1]", r"task: must be one of face, image, gan, got \[1\]"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(tmp_path, text, sentence):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(config.ConfigError, match=sentence):
        config.load(path)


def test_a_missing_recipe_is_named(tmp_path):
    with pytest.raises(config.ConfigError, match=r"none\.yaml: cannot be read \(No such file"):
        config.load(tmp_path / "none.yaml")


def test_a_recipe_cannot_build_objects(tmp_path):
    path = tmp_path / "evil.yaml"
    path.write_text("name: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(config.ConfigError, match="is not YAML"):
        config.load(path)


def test_every_setting_has_a_sentence():
    def undocumented(model):
        for name, field in model.model_fields.items():
            nested = field.annotation
            if isinstance(nested, type) and issubclass(nested, config.Strict):
                yield from undocumented(nested)
            elif name not in ("kind", "loss", "validation") and not field.description:
                yield f"{model.__name__}.{name}"

    models = [*config.TASKS.values(), config.SoftmaxConfig, config.ASoftmaxConfig, config.AMSoftmaxConfig]
    models.append(config.ValidationConfig)
    assert [missing for model in models for missing in undocumented(model)] == []


def test_an_input_spec_is_read_from_its_own_file(tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text("{template: arcface_112x112, height: 112, width: 112, color: rgb}\n")
    assert config.load_input_spec(path).width == 112
    with pytest.raises(config.ConfigError, match=r"none\.yaml: cannot be read"):
        config.load_input_spec(tmp_path / "none.yaml")
