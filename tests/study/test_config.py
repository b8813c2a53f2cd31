"""What a study is: what it would train, and what would mean something else than it says."""

import itertools
from pathlib import Path

import pytest

from model.study.config import FINETUNE, read_study, runs_of
from model.systems.names import NAMES
from model.training.config import FinetuneConfig, PretrainConfig
from model.training.config_files import checked, read_config
from model.training.errors import BadConfig
from model.training.origin import AnyRun
from model.training.system_config import FOLDER, SystemRun
from tests.study.studies import CLAIM, a_study, systems_study


def test_a_study_that_changes_what_it_does_not_run_is_refused(tmp_path: Path) -> None:
    file = systems_study(tmp_path)
    file.write_text(file.read_text().replace('changes_in = { "', 'changes_in = { "other" = { tracks = 1 }, "'))
    with pytest.raises(BadConfig, match="changes other, and no run of it is made with that"):
        read_study(str(file))
    file.write_text(
        file.read_text().replace('name = "vrstc"', 'name = "vrstc"\npretrain = false\nfinetune = { tracks = 1 }')
    )
    with pytest.raises(BadConfig, match="system is of another network"):
        read_study(str(file))


@pytest.mark.parametrize(
    ("now", "then", "said"),
    [
        ("seeds = [1, 2]", "seeds = [1, 1]", "seeds are there twice, and would count as two: leave one 1 out"),
        ('"i2i", "v2v"', '"i2i", "i2i"', "tests are there twice, and would count as two: leave one csv i2i out"),
        ("seeds = [1, 2]", "seeds = [1, 2]\nchanges = {{ seed = 3 }}", "leave `seed` out of all changes"),
        ("pretrain = false", "pretrain = {{ seed = 3 }}", "leave `seed` out of all changes"),
        ('pretrain = "{0}/first.toml"', "", "plain changes pre-training, and there is none"),
        ("{0}/last.toml", "{0}/nowhere.toml", "whole: there is no configuration '{0}/nowhere.toml'"),
    ],
)
def test_what_would_mean_something_else_is_refused(tmp_path: Path, now: str, then: str, said: str) -> None:
    file = a_study(tmp_path)
    text = file.read_text().replace(now.format(tmp_path), then.format(tmp_path))
    if "changes pre-training" in said:
        text = text.replace("pretrain = false", 'pretrain = { "losses.lse" = 0.0 }')
    file.write_text(text)
    with pytest.raises(BadConfig) as refused:
        read_study(str(file))
    assert said.format(tmp_path) in str(refused.value)


def test_a_variant_s_changes_stand_above_all_and_stay_its_own(tmp_path: Path) -> None:
    """Whether written as a section or by a dotted name."""
    file = a_study(tmp_path)
    low = f'changes_in = {{ "{tmp_path}/last.toml" = {{ network = {{ width = 64 }} }} }}\n'
    first = 'changes = { network = { height = 96 }, "network.width" = 48 }\n' + low
    text = file.read_text().replace('name = "plain"', 'name = "tall"\nfinetune = { network = { height = 128 } }\n')
    text = text.partition("[[variants]]")[0] + first + "[[variants]]" + text.partition("[[variants]]")[2]
    file.write_text(text.replace('pretrain = false\nfinetune = { "network.adapters" = false }\n', ""))
    study = read_study(str(file))
    for variant, height in zip(study.variants, (96, 128), strict=True):
        config = dict(runs_of(study, variant, 1))[FINETUNE]
        assert isinstance(config, FinetuneConfig)
        assert (config.network.height, config.network.width) == (height, 64), variant.name
        assert config.network.encoder == "vills-tiny", "a section is changed key by key"


@pytest.mark.parametrize("name", ["ablation", "ufla"])
def test_what_comes_with_the_product_can_be_used(name: str) -> None:
    study = read_study(name)
    runs = [dict(runs_of(study, variant, 1)) for variant in study.variants]
    alike = [each for each, variant in zip(runs, study.variants, strict=True) if variant.name != "longer-instead"]
    assert len({each[FINETUNE].schedule for each in alike}) == 1, "an equal budget is what makes them comparable"
    assert len({each["pretrain"].schedule for each in alike if "pretrain" in each}) <= 1


def test_what_the_ablation_has_instead_of_pre_training_sees_as_many_pictures() -> None:
    study = read_study("ablation")
    ways = {variant.name: dict(runs_of(study, variant, 1)) for variant in study.variants}
    first, second, longer = ways["whole"]["pretrain"], ways["whole"][FINETUNE], ways["longer-instead"][FINETUNE]
    assert isinstance(first, PretrainConfig)
    assert isinstance(second, FinetuneConfig)
    a_step = sum(source.share for source in second.sources) * second.tracks * second.frames
    views = 2 * sum(source.share for source in first.sources) * first.frames
    assert first.schedule.steps * views + second.schedule.steps * a_step == longer.schedule.steps * a_step


@pytest.mark.parametrize("name", ["systems", "systems-market"])
def test_every_system_sees_as_many_pictures_in_the_study_of_all(name: str) -> None:
    study = read_study(name)
    runs = [[config for _, config in runs_of(study, variant, 1)] for variant in study.variants]
    assert {each.system for each in itertools.chain(*runs) if isinstance(each, SystemRun)} == set(NAMES)
    assert len({sum(pictures(each) for each in one) for one in runs}) == 1


def test_the_non_local_net_of_the_study_is_vrstc_s_last_stage_without_completion() -> None:
    """For as long as the three stages together."""
    study = read_study("systems")
    variant = next(one for one in study.variants if one.name == "non-local")
    [(name, run)] = runs_of(study, variant, 1)
    changes = {"settings.completion": "off", "schedule.steps": 300, "schedule.warmup": 50}
    assert (name, run) == (
        "1-non-local-small",
        checked(SystemRun, read_config("vrstc-small", changes, folder=FOLDER), ""),
    )


def pictures(config: AnyRun) -> int:
    frames = config.network_config().settings.frames if isinstance(config, SystemRun) else config.frames
    tracks = 1 if isinstance(config, PretrainConfig) else config.tracks
    return config.schedule.steps * frames * tracks * sum(source.share for source in config.sources)


def test_variants_that_are_like_each_other_train_nothing(tmp_path: Path) -> None:
    """Bug: `the variants that train some are : name one of them`."""
    variants = [f'[[variants]]\nname = "{one}"\nlike = "{other}"\nrescore = 2\n' for one, other in ("ab", "ba")]
    file = tmp_path / "loop.toml"
    file.write_text('tests = [{ data = "csv", protocols = ["v2v"] }]\n' + "".join(variants))
    with pytest.raises(BadConfig, match="a tests the networks of 'b', and no variant trains any: give one a `system`"):
        read_study(str(file))


def test_an_error_in_the_last_variant_shows_at_once(tmp_path: Path) -> None:
    file = a_study(tmp_path)
    file.write_text(file.read_text().replace("network.adapters", "network.adapterz"))
    with pytest.raises(BadConfig, match=r"network\.adapterz: Extra inputs"):
        read_study(str(file))
    file.write_text(file.read_text().replace('"plain"', '"whole"'))
    with pytest.raises(BadConfig, match="variants are there twice"):
        read_study(str(file))


def test_a_study_leaves_out_variants_of_its_base(tmp_path: Path) -> None:
    """As the market study does with what attributes would be needed for, so that no run weighs frames by chance."""
    a_study(tmp_path)
    file = tmp_path / "fewer.toml"
    file.write_text('base = "study.toml"\nwithout = ["whole"]\n')
    assert [variant.name for variant in read_study(str(file)).variants] == ["plain"]
    for names, said in (('"other"', "leaves out other, and"), ('"plain", "whole"', "leaves out all of them, and")):
        file.write_text(f'base = "study.toml"\nwithout = [{names}]\n')
        with pytest.raises(BadConfig, match=said):
            read_study(str(file))
    market = read_study("systems-market")
    assert {one.name for one in read_study("systems").variants} - {one.name for one in market.variants} == {
        "attributes"
    }


def test_stages_of_a_variant_are_of_one_system(tmp_path: Path) -> None:
    """Bug: the first stage was trained, and then its weights did not fit the second one."""
    file = systems_study(tmp_path)
    (tmp_path / "other.toml").write_text((tmp_path / "run.toml").read_text().replace("sta", "gltr"))
    text = file.read_text()
    file.write_text(
        text + f'[[variants]]\nname = "two"\nsystem = [{{ config = "{tmp_path}/run.toml" }}, '
        f'{{ config = "{tmp_path}/other.toml" }}]\n'
    )
    with pytest.raises(BadConfig, match="two trains sta and then gltr, and its runs are of one network: change both"):
        read_study(str(file))


def test_pairs_are_compared_again_by_snippet_similarity_alone(tmp_path: Path) -> None:
    file = systems_study(tmp_path)
    file.write_text(file.read_text().replace('name = "sta"', 'name = "sta"\nrescore = 2'))
    with pytest.raises(BadConfig, match=r"sta compares vectors alone .* leave its `rescore` out"):
        read_study(str(file))
    rescored = {one.name for one in read_study("systems").variants if one.rescore}
    assert rescored == {"snippet-pairs"}


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        (
            'like = "nobody"\nsettings = { frames = 3 }',
            "tests the networks of 'nobody', and .* are sta, vrstc: name one",
        ),
        ('like = "again"\nsettings = { frames = 3 }', "tests the networks of 'again'"),
        ('like = "sta"', "nothing is otherwise than in sta: give `settings` or `rescore`"),
        ("settings = { frames = 3 }", "another variant trains: name it, `like`"),
        ('like = "sta"\nrescore = 3', "again compares vectors alone"),
        ('like = "sta"\npretrain = { seed = 3 }\nrescore = 3', "and trains none"),
        ('like = "sta"\nsettings = { completion = "off" }', "again: sta reads no completion"),
    ],
)
def test_what_is_tested_again_is_another_s_network_in_another_way(tmp_path: Path, variant: str, said: str) -> None:
    file = systems_study(tmp_path)
    file.write_text(f'{file.read_text()}[[variants]]\nname = "again"\n{variant}\n')
    with pytest.raises(BadConfig, match=said):
        read_study(str(file))


def test_a_stage_of_vrstc_needs_the_one_before_it(tmp_path: Path) -> None:
    """Bug: only after the base stage was trained a study was refused that has none of completion."""
    file = systems_study(tmp_path)
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if 'stage = "completion"' not in line))
    with pytest.raises(BadConfig, match="what stage completion learned, and begins with the stage base before it"):
        read_study(str(file))


def test_networks_that_are_left_out_cannot_be_tested_again(tmp_path: Path) -> None:
    text = '[[variants]]\nname = "again"\nlike = "sta"\nsettings = { frames = 3 }\n'
    base = systems_study(tmp_path)
    base.write_text(base.read_text() + text)
    file = tmp_path / "fewer.toml"
    file.write_text('base = "systems.toml"\nwithout = ["sta"]\n')
    with pytest.raises(BadConfig, match="the variants that train some are vrstc"):
        read_study(str(file))
    file.write_text('base = "systems.toml"\nwithout = ["sta", "again"]\n')
    assert [variant.name for variant in read_study(str(file)).variants] == ["vrstc"]


def test_vills_has_no_settings_to_be_tested_by(tmp_path: Path) -> None:
    file = a_study(tmp_path)
    file.write_text(f'{file.read_text()}[[variants]]\nname = "again"\nlike = "whole"\nsettings = {{ frames = 3 }}\n')
    with pytest.raises(BadConfig, match="whole is VILLS, which computes by no settings"):
        read_study(str(file))


def test_what_changes_in_published_systems_changes_in_nothing_else(tmp_path: Path) -> None:
    file = a_study(tmp_path)
    text = file.read_text()
    file.write_text("changes_in_systems = { tracks = 2 }\n" + text)
    with pytest.raises(BadConfig, match="no variant is a published system: leave `changes_in_systems` out"):
        read_study(str(file))
    run = 'system = "baseline"\nsources = [{ data = "csv", share = 2 }]\nschedule = { steps = 1, warmup = 0 }\n'
    (tmp_path / "run.toml").write_text(run)
    own = f'[[variants]]\nname = "system"\nsystem = [{{ config = "{tmp_path}/run.toml" }}]\n'
    file.write_text("changes_in_systems = { tracks = 7 }\n" + text + own)
    study = read_study(str(file))
    tracks = {
        name: config.tracks
        for one in study.variants
        for name, config in runs_of(study, one, 1)
        if not isinstance(config, PretrainConfig)
    }
    assert tracks.pop("1-run") == 7 and 7 not in tracks.values() and FINETUNE in tracks


@pytest.mark.parametrize(
    ("now", "then", "said"),
    [
        ('"sta"', '"gltr"', "'parts help' is asked by 'gltr', and there are sta, vrstc: name one"),
        ('over = "vrstc"', 'over = "sta"', "'parts help' measures sta against itself"),
        ("seen=badly", "seen=well", "is asked by 'csv v2v seen=well', and there are csv v2v, csv v2v seen=badly: name"),
        ("parts help", "parts | help", "claims.0.says: String should match pattern"),
        ("", CLAIM, "claims are there twice, and would count as two: leave one sta over vrstc by csv v2v seen=badly"),
    ],
)
def test_a_claim_is_of_what_the_study_finds(tmp_path: Path, now: str, then: str, said: str) -> None:
    file = systems_study(tmp_path)
    text = file.read_text()
    file.write_text(text + CLAIM)
    assert [claim.says for claim in read_study(str(file)).claims] == ["parts help"]
    file.write_text(text + (CLAIM.replace(now, then) if now else CLAIM + then))
    with pytest.raises(BadConfig) as refused:
        read_study(str(file))
    assert said in str(refused.value)


def test_a_claim_of_a_variant_that_is_left_out_is_refused(tmp_path: Path) -> None:
    base = systems_study(tmp_path)
    base.write_text(base.read_text() + CLAIM)
    file = tmp_path / "fewer.toml"
    file.write_text('base = "systems.toml"\nwithout = ["sta"]\n')
    with pytest.raises(BadConfig, match=r"asked by 'sta', and there are vrstc: name one, or give .* of its own"):
        read_study(str(file))
    file.write_text(file.read_text() + "claims = []\n")
    assert not read_study(str(file)).claims
