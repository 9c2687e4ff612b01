"""Two loads of the demo at the same time."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from config.demo.loading import LoadedDemo, load_demo
from config.demo.repository import repository_path
from workspace.models import Tenant


@pytest.mark.django_db(transaction=True)
def test_two_loads_at_once_make_one_demo():
    barrier, loaded = threading.Barrier(2), list[LoadedDemo]()

    def load() -> None:
        try:
            barrier.wait()
            loaded.append(load_demo())
        finally:
            connection.close()

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(demo.is_new for demo in loaded) == [False, True]
    assert loaded[0].sessions == loaded[1].sessions
    assert Tenant.objects.count() == 1


@pytest.mark.django_db
def test_without_git_the_demo_is_there_and_the_repository_comes_with_the_next_load(
    settings, tmp_path, monkeypatch
):
    settings.REPO_ROOTS = [tmp_path / "repos"]
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        assert load_demo().is_new
    assert not repository_path().exists()
    assert not load_demo().is_new
    assert (repository_path() / ".git").is_dir()
    assert [path.name for path in repository_path().parent.iterdir()] == ["demo-shop"]
