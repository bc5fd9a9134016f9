"""The packages of the wheel: those in src/, and the studies as data. Everything else is in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages("src"), "leakbench.studies"],
    package_dir={"": "src", "leakbench.studies": "studies"},
)
