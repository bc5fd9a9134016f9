from leakbench.executors.base import Executor
from leakbench.executors.local import LocalExecutor


def test_results_come_in_order_each_when_it_is_asked_for():
    seen = []

    def square(n):
        seen.append(n)
        return n * n

    executor: Executor = LocalExecutor()
    results = executor.map(square, [3, 1, 2])
    assert seen == []
    assert next(results) == 9 and seen == [3]
    assert list(results) == [1, 4]
