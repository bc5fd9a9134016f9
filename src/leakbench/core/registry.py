"""Methods are found, not listed: one file in a folder is one method.

A method is a frozen dataclass whose fields are its parameters. Its class attributes `name`, `source` and
`version` say what it is; its docstring holds the formula. Third-party packages add methods through the entry
point group of their kind, such as `leakbench.attacks` or `leakbench.losses`.
"""

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar, Generic, TypeVar, cast

from .checks import checked
from .errors import InputError, first_problem, unknown


class Plugin:
    """The base class of attacks, defences, metrics, generators and other methods."""

    name: ClassVar[str]
    source: ClassVar[str]
    version: ClassVar[int] = 1  # raise it when the numbers of the method change
    variants: ClassVar[dict[str, dict[str, Any]]] = {}  # further names: the same method, other parameters

    @classmethod
    def summary(cls) -> str:
        """The first sentence of the docstring."""
        return cls.doc().split("\n\n")[0].replace("\n", " ")

    @classmethod
    def doc(cls) -> str:
        """The docstring: question, formula, shapes, source."""
        return inspect.cleandoc(cls.__doc__ or "")

    def parameters(self) -> dict[str, Any]:
        """The parameters as plain data."""
        values = ((f.name, getattr(self, f.name)) for f in dataclasses.fields(self))  # type: ignore[arg-type]
        return {name: v.describe() if isinstance(v, Plugin) else plain(v) for name, v in values}

    def spec(self) -> dict[str, Any]:
        """The table that makes this method again: its name and parameters."""
        values = ((f.name, getattr(self, f.name)) for f in dataclasses.fields(self))  # type: ignore[arg-type]
        return {"name": self.name, **{name: plain(value) for name, value in values}}

    def describe(self) -> dict[str, Any]:
        """Name, version and parameters: what a cache key and a report need."""
        return {"name": self.name, "version": self.version, "parameters": self.parameters()}


def plain(value: Any) -> Any:
    """A dataclass as a table, with the methods in it as the tables that make them again."""
    if isinstance(value, Plugin):
        return value.spec()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


P = TypeVar("P", bound=Plugin)


class Registry(Generic[P]):
    """All methods of one kind: those in the folder of `package`, and those of the entry points in `group`."""

    def __init__(self, kind: str, package: str, base: type[P]) -> None:
        self.kind, self.package, self.base = kind, package, base
        self.group = f"leakbench.{plural(kind)}"

    @cached_property
    def classes(self) -> dict[str, type[P]]:
        """Method classes by their name; a name taken twice raises."""
        found: dict[str, type[P]] = {}
        for cls in [*self._in_folder(), *self._from_entry_points()]:
            for name in [cls.name, *cls.variants]:
                if name in found and found[name] is not cls:
                    raise InputError(
                        f"two {plural(self.kind)} are named {name!r}: {found[name]} and {cls}; rename one"
                    )
                found[name] = cls
        return dict(sorted(found.items()))

    def names(self) -> list[str]:
        """All names, variants included, sorted."""
        return list(self.classes)

    def get(self, name: str) -> type[P]:
        """The class behind `name`. Raises InputError with the nearest name if there is none."""
        if name not in self.classes:
            raise unknown(self.kind, name, self.classes)
        return self.classes[name]

    def make(self, spec: str | Mapping[str, Any]) -> P:
        """A method from its name, or from a table `{name = ..., parameter = ...}`.

        Raises InputError for an unknown name or parameter (with the nearest) or a value of the wrong type.
        """
        from pydantic import ValidationError

        if not isinstance(spec, str | Mapping):
            raise InputError(f'a {self.kind} must be a name or a table, got {spec!r}; write {{name = "..."}}')
        given = {"name": spec} if isinstance(spec, str) else dict(spec)
        name = given.pop("name", None)
        if not isinstance(name, str):
            raise InputError(f"a {self.kind} needs a name, got {dict(spec)!r}")  # type: ignore[arg-type]
        cls = self.get(name)
        fields = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
        for key in given:
            if key not in fields:
                raise unknown(f"parameter of {self.kind} {name!r}:", key, fields)
        try:
            return cast(P, checked(cls, cls.variants.get(name, {}) | given))
        except ValidationError as error:
            raise InputError(f"{self.kind} {name!r}: {first_problem(error, given)}") from None

    def listed(self, specs: Any) -> Sequence[str | Mapping[str, Any]]:
        """One spec, or several, as a sequence. Raises InputError for anything else."""
        named = [specs] if isinstance(specs, str | Mapping) else specs
        if isinstance(named, list | tuple) and all(isinstance(each, str | Mapping) for each in named):
            return named
        raise InputError(f"{plural(self.kind)} must be a name, or a list of names and tables, got {specs!r}")

    def parse(self, value: "P | str | Mapping[str, Any]") -> P:
        """`value` itself if it is a method of this kind, else the one that it names."""
        return value if isinstance(value, self.base) else self.make(value)  # type: ignore[arg-type]

    def _in_folder(self) -> list[type[P]]:
        folder = importlib.import_module(self.package)
        modules = [
            importlib.import_module(f"{self.package}.{info.name}")
            for info in pkgutil.iter_modules(folder.__path__)
            if not info.name.startswith("_")
        ]
        return [
            value
            for module in modules
            for value in vars(module).values()
            if inspect.isclass(value) and issubclass(value, self.base) and value.__module__ == module.__name__
            if "name" in vars(value)
        ]

    def _from_entry_points(self) -> list[type[P]]:
        """The classes that other packages register. Raises InputError for one that is no method of this kind."""
        return [self._loaded(point) for point in entry_points(group=self.group)]

    def _loaded(self, point: EntryPoint) -> type[P]:
        name = (
            f"the {self.kind} {point.name!r} of the package {point.dist.name if point.dist else 'unknown'!r}"
        )
        try:
            cls: Any = point.load()
        except Exception as error:  # whatever the code of the package raises when it is imported
            raise InputError(
                f"{name} cannot be imported: {type(error).__name__}: {error}; update or uninstall that package"
            ) from None
        method: bool = isinstance(cls, type) and issubclass(cls, self.base) and dataclasses.is_dataclass(cls)
        if not method or not isinstance(getattr(cls, "name", None), str):
            base = f"{self.base.__module__}.{self.base.__name__}"
            raise InputError(
                f"{name} must be a dataclass with a name, derived from {base}, got {cls!r}; update or uninstall that "
                "package"
            )
        found: type[P] = cls
        return found


def plural(kind: str) -> str:
    """The plural of a kind of method.

    >>> plural("attack"), plural("loss")
    ('attacks', 'losses')
    """
    return kind + ("es" if kind.endswith("s") else "s")
