"""Workers that are tasks of a Ray cluster, whose machines see the store under the same path."""

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
    """An `Executor` with tasks on a Ray cluster.

    Ray restarts a task whose machine is lost. The claims of that task are free as soon as the locks of the machine are.

    Args:
        address: The cluster, as host:port; "auto" is the one that Ray finds.
        cpus: CPUs of each worker.
        gpus: GPUs of each worker, or a share of one.
        workers: The number of workers. Default: as many as the cluster has room for at the start.
    """

    address: str = "auto"
    cpus: int = 1
    gpus: float = 0.0
    workers: int | None = None
    lost: list[str] = field(default_factory=list)

    @contextmanager
    def start_workers(self, study: dict[str, Any], store: str, dataset: Dataset) -> Iterator[list[Any]]:
        """Run the tasks while the block runs. The data set is put into Ray's object store once.

        Raises LeakbenchError if there is no cluster, InputError if no worker fits on it, and ModuleNotFoundError
        without Ray.
        """
        require("ray")
        import ray

        self.lost.clear()

        _connect(self.address)
        try:
            count = self.workers or self._room(ray.cluster_resources())
            resources = {"num_cpus": self.cpus, "num_gpus": self.gpus, "max_retries": -1}
            task = ray.remote(**resources)(_work)
            log = log_file()
            about = (
                study,
                store,
                open_store(store).identity,
                ray.put(dataset),
                log and str(log.resolve()),
            )
            tasks = [task.remote(*about) for _ in range(count)]
            event("workers", executor="ray", tasks=count, **self._share)
            yield tasks
            self._note_failures(tasks)
            for each in tasks:
                ray.cancel(each, force=True)
        finally:
            ray.shutdown()

    @property
    def _share(self) -> dict[str, float]:
        return {"cpus": self.cpus, "gpus": self.gpus}

    def _room(self, resources: dict[str, float]) -> int:
        """How many tasks the cluster can run at once."""
        room = int(resources.get("CPU", 0.0) // self.cpus)
        if self.gpus:
            room = min(room, int(resources.get("GPU", 0.0) / self.gpus))
        if not room:
            raise InputError(
                f"a worker with {self.cpus} CPUs and {self.gpus:g} GPUs must fit on the cluster, which has "
                f"{resources.get('CPU', 0):g} and {resources.get('GPU', 0):g}; take fewer"
            )
        return room

    def _note_failures(self, tasks: list[Any]) -> None:
        """Note the last message of each worker that failed. A task that still runs has not failed."""
        import ray

        ended, _ = ray.wait(tasks, num_returns=len(tasks), timeout=0)
        for task in ended:
            try:
                ray.get(task)
            except Exception as error:
                said = (str(error).strip().splitlines() or [type(error).__name__])[-1]
                self.lost.append(said)
                event("worker lost", WARNING, said=said)


def _connect(address: str) -> None:
    import ray

    host, _, port = address.rpartition(":")
    try:
        if host and port.isdigit():  # Ray itself retries for minutes
            socket.create_connection((host, int(port)), timeout=10).close()
        with chdir(
            sysconfig.get_path("purelib")
        ):  # Ray puts the current folder first on its workers' sys.path
            ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (OSError, ValueError, RuntimeError) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise LeakbenchError(
            f"there is no Ray cluster at {address}: {said}; start one with `ray start`"
        ) from None


def _work(study: dict[str, Any], store: str, identity: str, dataset: Dataset, log: str | None) -> None:
    """Run a worker in a task. It writes the log of the run if that folder exists on its machine."""
    from leakbench.pipeline.study import Study
    from leakbench.pipeline.worker import work

    with logged_to(log if log and Path(log).parent.is_dir() else None):
        # what the study may import was decided when the run parsed it
        work(Study.of(study, allow_imports=True), store, identity, dataset)
