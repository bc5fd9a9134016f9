"""Helpers that are tasks of a Ray cluster, whose machines see the store under the same path."""

import socket
import sysconfig
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...core.errors import InputError, LeakbenchError, require
from ...core.log import WARNING, event, log_file, logged_to
from ...core.store import open_store
from ...data.dataset import Dataset


@dataclass(frozen=True, eq=False)
class RayExecutor:
    """Tasks on the cluster at `address`, each with its share of CPUs and GPUs. It is an `Executor`.

    A task that is lost with its machine is started again by Ray; what it had claimed is free as soon as the machine's
    locks are. Without `helpers` there are as many as the cluster has room for when it is asked.
    """

    address: str = "auto"
    cpus: int = 1
    gpus: float = 0.0
    helpers: int | None = None
    lost: list[str] = field(default_factory=list)

    @contextmanager
    def helping(self, study: dict[str, Any], store: str, dataset: Dataset) -> Iterator[list[Any]]:
        """While the block runs, the tasks help; then they are ended. The data set is put into the object store once.

        Raises LeakbenchError where no cluster answers, InputError where no helper fits on it, ModuleNotFoundError
        without Ray.
        """
        require("ray")
        import ray

        self.lost.clear()

        _connect(self.address)
        try:
            count = self.helpers or self._room(ray.cluster_resources())
            resources = {"num_cpus": self.cpus, "num_gpus": self.gpus, "max_retries": -1}
            task = ray.remote(**resources)(_help)
            log = log_file()
            about = (
                study,
                store,
                open_store(store).identity,
                ray.put(dataset),
                log and str(log.resolve()),
            )
            tasks = [task.remote(*about) for _ in range(count)]
            event("helpers", executor="ray", tasks=count, **self._share)
            yield tasks
            self._look_at(tasks)
            for each in tasks:
                ray.cancel(each, force=True)
        finally:
            ray.shutdown()

    @property
    def _share(self) -> dict[str, float]:
        return {"cpus": self.cpus, "gpus": self.gpus}

    def _room(self, there: dict[str, float]) -> int:
        """How many tasks the cluster can run at once."""
        room = int(there.get("CPU", 0.0) // self.cpus)
        if self.gpus:
            room = min(room, int(there.get("GPU", 0.0) / self.gpus))
        if not room:
            raise InputError(
                f"a helper with {self.cpus} CPUs and {self.gpus:g} GPUs must fit on the cluster, which has "
                f"{there.get('CPU', 0):g} and {there.get('GPU', 0):g}; ask for less"
            )
        return room

    def _look_at(self, tasks: list[Any]) -> None:
        """Note what helpers said that failed; those that are still at work did not."""
        import ray

        ended, _ = ray.wait(tasks, num_returns=len(tasks), timeout=0)
        for task in ended:
            try:
                ray.get(task)
            except Exception as error:
                said = (str(error).strip().splitlines() or [type(error).__name__])[-1]
                self.lost.append(said)
                event("helper lost", WARNING, said=said)


def _connect(address: str) -> None:
    import ray

    host, _, port = address.rpartition(":")
    try:
        if host and port.isdigit():  # Ray itself goes on trying for minutes
            socket.create_connection((host, int(port)), timeout=10).close()
        with chdir(
            sysconfig.get_path("purelib")
        ):  # Ray puts the current folder first on its workers' sys.path
            ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (OSError, ValueError, RuntimeError) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise LeakbenchError(
            f"no Ray cluster answers at {address}: {said}; start one with `ray start`"
        ) from None


def _help(study: dict[str, Any], store: str, identity: str, dataset: Dataset, log: str | None) -> None:
    """What a task does, on its machine. It logs where the run does, if that folder is there too."""
    from leakbench.pipeline.study import Study
    from leakbench.pipeline.worker import work

    with logged_to(log if log and Path(log).parent.is_dir() else None):
        # what the study may import was decided when the run parsed it
        work(Study.of(study, allow_imports=True), store, identity, dataset)
